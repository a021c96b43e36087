"""``GET /v1/subscriptions``: a client's subscriptions, newest first, page by page."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from billing.subscriptions.decision import snapshot
from billing.subscriptions.vocabulary import Status
from ingest_api.auth.client import SubscriptionsReader, subscriptions_reader
from ingest_api.dependencies import Injected
from ingest_api.edge.etag import CONDITIONAL, ConditionalRoute
from ingest_api.edge.queries import single_values
from ingest_api.openapi.responses import ADMISSION, conditional, header, problems
from ingest_api.payments.list import (
    CURSOR_EXAMPLE,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    PageCursor,
    following_page,
)
from ingest_api.payments.schemas import Id
from ingest_api.problems import Problem
from ingest_api.subscriptions.acting import PATH
from ingest_api.subscriptions.schemas import PlanId
from ingest_api.subscriptions.views import SubscriptionPage, subscription_view
from storage.subscriptions.lists import SubscriptionFilters

router: Final = APIRouter(tags=["subscriptions"], route_class=ConditionalRoute)


class SubscriptionQuery(BaseModel):
    """The query of the list. Filters can be combined."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    customer_id: Id | None = Field(default=None, description="subscriptions of this customer")
    status: Status | None = Field(default=None, description="subscriptions in this state")
    plan: PlanId | None = Field(default=None, description="subscriptions to this plan")
    test_clock: UUID | None = Field(default=None, description="subscriptions that live by this test clock")
    limit: int = Field(default=LIMIT_DEFAULT, ge=1, le=LIMIT_MAX, description="subscriptions a page")
    cursor: PageCursor | None = Field(
        default=None, description="the `next_cursor` of a page", examples=[CURSOR_EXAMPLE]
    )


@router.get(
    PATH,
    summary="List subscriptions",
    dependencies=[Depends(subscriptions_reader), Depends(single_values), CONDITIONAL],
    responses=conditional("A page", **header("Link", 'rel="next"'))
    | problems(*ADMISSION, Problem.INVALID_REQUEST, Problem.CARD_NUMBER),
)
async def list_subscriptions(
    request: Request,
    response: Response,
    dependencies: Injected,
    client: SubscriptionsReader,
    query: Annotated[SubscriptionQuery, Query()],
) -> SubscriptionPage:
    """Newest first. For the next page, repeat the request with `cursor`, or follow the Link header."""
    filters = SubscriptionFilters(
        customer_id=query.customer_id, status=query.status, plan=query.plan, clock_id=query.test_clock
    )
    # One more than the page holds shows whether there is a next page.
    found = await dependencies.subscriptions.subscriptions(client, filters, query.cursor, query.limit + 1)
    shown = found[: query.limit]
    following = following_page(request, response, shown[-1]) if len(found) > len(shown) else None
    return SubscriptionPage(
        data=tuple(subscription_view(snapshot(s)) for s in shown),
        has_more=following is not None,
        next_cursor=following,
    )
