"""``GET /v1/payments/{payment_id}/timeline``: all that happened to a payment, in order."""

from datetime import datetime
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from billing.access.scopes import Scope
from ingest_api.dependencies import Parts
from ingest_api.edge.etag import json_answer
from ingest_api.payments.own_payment import own_payment

PATH: Final = "/v1/payments/{payment_id}/timeline"


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. Messages, places in the stream and who in our house did it stay inside."""

    at: datetime
    kind: str
    summary: str


class ReadTimelineHandler:
    """Tells a client what its payment went through, contacts masked."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, request: Request) -> Response:
        client = self._parts.gate.admit(request, Scope.PAYMENTS_READ)
        payment = await own_payment(self._parts.reads, request, client)
        told = await self._parts.reads.timeline(payment.id)
        entries = [TimelineEntry(at=entry.at, kind=entry.kind, summary=entry.summary) for entry in told]
        return json_answer(request, {"data": entries})
