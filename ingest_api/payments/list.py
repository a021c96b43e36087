"""``GET /v1/payments``: a client's payments, newest first, page by page."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from billing.payments.model import Payment
from billing.subscriptions.model import Subscription
from billing.vocabulary import PaymentStatus
from ingest_api.auth.client import ReadingClient, reading_client
from ingest_api.dependencies import Injected
from ingest_api.edge.etag import CONDITIONAL, ConditionalRoute
from ingest_api.edge.queries import single_values
from ingest_api.openapi.responses import ADMISSION, conditional, header, problems
from ingest_api.payments.read import Expand
from ingest_api.payments.schemas import Id, MetadataKey, MetadataValue
from ingest_api.payments.views import ExpandedPayment, expanded
from ingest_api.problems import Problem
from storage.payments.lists import Cursor, Filters

router: Final = APIRouter(tags=["payments"], route_class=ConditionalRoute)

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100

_METADATA: Final = re.compile(r"metadata\[(.+)\]", re.DOTALL)
_cursors: Final = msgspec.json.Decoder(Cursor)


def encode_cursor(place: Cursor) -> str:
    """A position in the list as clients carry it. Its content is not part of the API."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _decode_cursor(value: str) -> Cursor:
    try:
        place = _cursors.decode(base64.urlsafe_b64decode(value))
        if place.created_at.tzinfo is not None:
            return Cursor(place.created_at.astimezone(UTC), place.id)
    except (msgspec.MsgspecError, ValueError, OverflowError, binascii.Error):
        pass
    raise PydanticCustomError("cursor", "Should be the next_cursor of a page")


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("time", "Should be a time like 2026-03-01T12:00:00Z")


_Time = Annotated[datetime, BeforeValidator(_moment)]
#: The place after which a page begins, as a parameter of a list.
PageCursor = Annotated[
    InstanceOf[Cursor],
    BeforeValidator(_decode_cursor),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]+=*$"}),
]
CURSOR_EXAMPLE: Final = encode_cursor(Cursor(datetime(2026, 3, 1, 12, tzinfo=UTC), UUID(int=1)))


class PaymentFilters(BaseModel):
    """The query of the list. Filters can be combined."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    customer_id: Id | None = None
    order_id: UUID | None = None
    status: PaymentStatus | None = None
    provider: Id | None = None
    created_from: _Time | None = Field(default=None, description="at or after this time")
    created_to: _Time | None = Field(default=None, description="before this time")
    metadata: Annotated[dict[MetadataKey, MetadataValue], Query(include_in_schema=False)] = {}
    limit: int = Field(default=LIMIT_DEFAULT, ge=1, le=LIMIT_MAX, description="payments a page")
    cursor: PageCursor | None = Field(
        default=None, description="the `next_cursor` of a page", examples=[CURSOR_EXAMPLE]
    )
    expand: Expand

    @model_validator(mode="before")
    @classmethod
    def _metadata(cls, query: Mapping[str, Any]) -> dict[str, Any]:
        """``metadata[campaign]=spring`` is the member ``campaign`` of ``metadata``."""
        members = {match[1]: value for name, value in query.items() if (match := _METADATA.fullmatch(name))}
        rest = {name: value for name, value in query.items() if not _METADATA.fullmatch(name)}
        return {**rest, "metadata": members} if members else rest


def following_page(request: Request, response: Response, last: Payment | Subscription) -> str:
    """The cursor of the page after ``last``; sets the Link header that leads to it."""
    cursor = encode_cursor(Cursor(last.created_at, last.id))
    url = request.url.include_query_params(cursor=cursor)
    response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentPage:
    """Payments, newest first. ``has_more``: whether there is a next page; ``next_cursor`` is null on the last one."""

    data: tuple[ExpandedPayment, ...]
    has_more: bool
    next_cursor: str | None


@router.get(
    "/v1/payments",
    summary="List payments",
    dependencies=[Depends(reading_client), Depends(single_values), CONDITIONAL],
    responses=conditional("A page", **header("Link", 'rel="next"'))
    | problems(*ADMISSION, Problem.INVALID_REQUEST, Problem.CARD_NUMBER),
    openapi_extra={
        "parameters": [
            {
                "name": "metadata",
                "in": "query",
                "style": "deepObject",
                "description": "`metadata[campaign]=spring`: with this key and value; several must all match",
                "schema": {"type": "object", "additionalProperties": {"type": "string"}},
            }
        ]
    },
)
async def list_payments(
    request: Request,
    response: Response,
    dependencies: Injected,
    client: ReadingClient,
    query: Annotated[PaymentFilters, Query()],
) -> PaymentPage:
    """Newest first. For the next page, repeat the request with `cursor`, or follow the Link header."""
    filters = Filters(
        customer_id=query.customer_id,
        order_id=query.order_id,
        status=query.status,
        provider=query.provider,
        created_from=query.created_from,
        created_to=query.created_to,
        metadata=query.metadata,
    )
    # One more than the page holds shows whether there is a next page.
    found = await dependencies.reads.payments(client, filters, query.cursor, query.limit + 1)
    shown = found[: query.limit]
    following = following_page(request, response, shown[-1]) if len(found) > len(shown) else None
    return PaymentPage(
        data=tuple(expanded(payment, query.expand) for payment in shown),
        has_more=following is not None,
        next_cursor=following,
    )
