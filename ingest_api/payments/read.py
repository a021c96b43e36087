"""``GET /v1/payments/{payment_id}``."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from billing.access.scopes import Scope
from ingest_api.dependencies import Parts
from ingest_api.edge.etag import json_answer
from ingest_api.payments.expand import expanded, expansions
from ingest_api.payments.own_payment import own_payment

PATH: Final = "/v1/payments/{payment_id}"


class ReadPaymentHandler:
    """A client reads its own payments from the books; another client's are not there."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, request: Request) -> Response:
        client = self._parts.gate.admit(request, Scope.PAYMENTS_READ)
        wanted = expansions(request)
        payment = await own_payment(self._parts.reads, request, client)
        return json_answer(request, expanded(payment, wanted))
