"""``GET /v1/payments/{payment_id}``."""

from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ingest_api.parts import Parts
from ingest_api.payment_view import payment_view
from ingest_api.problems import Problem, ProblemError

PATH: Final = "/v1/payments/{payment_id}"


class ReadPaymentHandler:
    """A client reads its own payments from the books; another client's are not there."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, request: Request) -> Response:
        client = self._parts.keys.authenticate(request)
        try:
            payment_id = UUID(request.path_params["payment_id"])
        except ValueError:
            raise ProblemError(Problem.PAYMENT_NOT_FOUND) from None
        payment = await self._parts.reads.payment(client, payment_id)
        if payment is None:
            raise ProblemError(Problem.PAYMENT_NOT_FOUND, Problem.PAYMENT_NOT_FOUND.cause)
        return Response(msgspec.json.encode(payment_view(payment)), media_type="application/json")
