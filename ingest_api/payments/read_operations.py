"""``GET /v1/payments/{payment_id}/operations`` and ``…/operations/{operation_id}``."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from billing.access.scopes import Scope
from billing.payments.decision import view
from ingest_api.dependencies import Parts
from ingest_api.edge.etag import json_answer
from ingest_api.payments.own_payment import own_payment, path_id
from ingest_api.payments.views import operation_result, operation_view
from ingest_api.problems import Problem, ProblemError, refused

PATH: Final = "/v1/payments/{payment_id}/operations"
ONE_PATH: Final = PATH + "/{operation_id}"


class ReadOperations:
    """The operations of a client's own payment, as they are in the books."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def all(self, request: Request) -> Response:
        """All of them, the oldest first."""
        client = self._parts.gate.admit(request, Scope.PAYMENTS_READ)
        payment = await own_payment(self._parts.reads, request, client)
        shown = view(payment, payment.operations)
        return json_answer(request, {"data": [operation_view(operation) for operation in shown.operations]})

    async def one(self, request: Request) -> Response:
        """One of them, with its payment; one that was refused in its turn: the problem that who waited was told."""
        client = self._parts.gate.admit(request, Scope.PAYMENTS_READ)
        payment = await own_payment(self._parts.reads, request, client)
        operation_id = path_id(request, "operation_id", Problem.OPERATION_NOT_FOUND)
        if payment.operation(operation_id) is None:
            if (refusal := await self._parts.reads.refusal(client, payment.id, operation_id)) is not None:
                raise refused(refusal)
            raise ProblemError(Problem.OPERATION_NOT_FOUND, Problem.OPERATION_NOT_FOUND.cause)
        return json_answer(request, operation_result(view(payment, payment.operations), operation_id, known=True))
