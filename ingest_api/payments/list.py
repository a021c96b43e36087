"""``GET /v1/payments``: a client's payments, newest first, page by page."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from billing.access.scopes import Scope
from billing.vocabulary import PaymentStatus
from ingest_api.dependencies import Dependencies
from ingest_api.edge.etag import json_answer
from ingest_api.payments.schemas import MAX_ID, MAX_METADATA_KEY, MAX_METADATA_VALUE
from ingest_api.payments.views import expanded, expansions
from ingest_api.problems import FieldError, Problem, ProblemError
from runtime.logging.card_numbers import holds_card_number
from storage.payments.lists import Filters, Place

PATH: Final = "/v1/payments"

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100

_METADATA: Final = re.compile(rf"metadata\[([^\[\]\x00-\x1f\x7f]{{1,{MAX_METADATA_KEY}}})\]")
_ID: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_ID}}}")
_VALUE: Final = re.compile(rf"[^\x00-\x1f\x7f]{{0,{MAX_METADATA_VALUE}}}")
_NUMBER: Final = re.compile(r"[0-9]{1,4}")


class ListPaymentsHandler:
    """Reads the books; nothing of other clients is ever in a page."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def __call__(self, request: Request) -> Response:
        client = self._dependencies.admission.admit(request, Scope.PAYMENTS_READ)
        query = _Query(request)
        wanted = expansions(request)
        # One more than is shown tells whether there is a next page.
        found = await self._dependencies.reads.payments(client, query.filters, query.after, query.limit + 1)
        shown = found[: query.limit]
        following = None
        headers = {}
        if len(found) > len(shown):
            following = encode_cursor(Place(shown[-1].created_at, shown[-1].id))
            url = request.url.include_query_params(cursor=following)
            headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        document = {"data": [expanded(payment, wanted) for payment in shown], "next_cursor": following}
        return json_answer(request, document, headers)


class _Query:
    """The query's parameters, all faults named at once."""

    def __init__(self, request: Request) -> None:
        if any(holds_card_number(part) for item in request.query_params.multi_items() for part in item):
            raise ProblemError(Problem.CARD_NUMBER)
        self._faults: list[FieldError] = []
        self._values: dict[str, str] = {}
        metadata: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            key = _METADATA.fullmatch(name)
            if name in self._values or (key and key[1] in metadata):
                self._fault(name, "Stands in the query twice")
            elif key and _VALUE.fullmatch(value):
                metadata[key[1]] = value
            elif key:
                self._fault(name, "Is not a value of metadata")
            elif name in _PARAMETERS:
                self._values[name] = value
            else:
                self._fault(name[:MAX_ID], "Is not a filter")
        self.filters = Filters(
            customer_id=self._matching("customer_id", _ID),
            provider=self._matching("provider", _ID),
            status=self._status(),
            created_from=self._time("created_from"),
            created_to=self._time("created_to"),
            metadata=metadata,
        )
        self.limit = self._limit()
        self.after = self._cursor()
        if self._faults:
            raise ProblemError(Problem.INVALID_REQUEST, errors=self._faults)

    def _fault(self, name: str, detail: str) -> None:
        self._faults.append(FieldError(f"/{name}", detail))

    def _matching(self, name: str, pattern: re.Pattern[str]) -> str | None:
        value = self._values.get(name)
        if value is not None and not pattern.fullmatch(value):
            self._fault(name, "Is not valid")
            return None
        return value

    def _status(self) -> str | None:
        value = self._values.get("status")
        if value is not None and value not in set(PaymentStatus):
            self._fault("status", f"Should be one of {', '.join(PaymentStatus)}")
        return value

    def _time(self, name: str) -> datetime | None:
        value = self._values.get(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        self._fault(name, "Should be a time like 2026-03-01T12:00:00Z")
        return None

    def _limit(self) -> int:
        value = self._values.get("limit", str(LIMIT_DEFAULT))
        if _NUMBER.fullmatch(value) and 1 <= int(value) <= LIMIT_MAX:
            return int(value)
        self._fault("limit", f"Should be a number from 1 to {LIMIT_MAX}")
        return LIMIT_DEFAULT

    def _cursor(self) -> Place | None:
        value = self._values.get("cursor")
        if value is None:
            return None
        try:
            return _places.decode(base64.urlsafe_b64decode(value))
        except (msgspec.MsgspecError, ValueError, binascii.Error):
            self._fault("cursor", "Should be the next_cursor of a page")
            return None


_PARAMETERS: Final = frozenset(
    {"customer_id", "status", "provider", "created_from", "created_to", "limit", "cursor", "expand"}
)

_places: Final = msgspec.json.Decoder(Place)


def encode_cursor(place: Place) -> str:
    """A place as clients carry it; what is in it is nobody's business."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()
