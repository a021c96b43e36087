"""Reads of one payment: the payment, its operations, its timeline."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from billing.access.scopes import Scope
from billing.payments.decision import view
from billing.payments.model import Payment
from ingest_api.dependencies import Dependencies, Reads
from ingest_api.edge.etag import json_answer
from ingest_api.payments.views import expanded, expansions, operation_result, operation_view
from ingest_api.problems import Problem, ProblemError, refused


def path_id(request: Request, name: str, problem: Problem) -> UUID:
    """The id in the path; ``problem`` when it cannot be one."""
    try:
        return UUID(request.path_params[name])
    except ValueError:
        raise ProblemError(problem) from None


async def own_payment(reads: Reads, request: Request, client: str) -> Payment:
    """The payment; 404 when there is none or it is another client's, which are not told apart. One that was accepted
    and refused in its turn: the problem that who waited was told."""
    id = path_id(request, "payment_id", Problem.PAYMENT_NOT_FOUND)
    payment = await reads.payment(client, id)
    if payment is None:
        if (refusal := await reads.refusal(client, id, None)) is not None:
            raise refused(refusal)
        raise ProblemError(Problem.PAYMENT_NOT_FOUND, Problem.PAYMENT_NOT_FOUND.cause)
    return payment


PAYMENT_PATH: Final = "/v1/payments/{payment_id}"


class ReadPaymentHandler:
    """A client reads its own payments from the books; another client's are not there."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def __call__(self, request: Request) -> Response:
        client = self._dependencies.admission.admit(request, Scope.PAYMENTS_READ)
        wanted = expansions(request)
        payment = await own_payment(self._dependencies.reads, request, client)
        return json_answer(request, expanded(payment, wanted))


OPERATIONS_PATH: Final = PAYMENT_PATH + "/operations"
OPERATION_PATH: Final = OPERATIONS_PATH + "/{operation_id}"


class ReadOperations:
    """The operations of a client's own payment, as they are in the books."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def all(self, request: Request) -> Response:
        """All of them, the oldest first."""
        client = self._dependencies.admission.admit(request, Scope.PAYMENTS_READ)
        payment = await own_payment(self._dependencies.reads, request, client)
        shown = view(payment, payment.operations)
        return json_answer(request, {"data": [operation_view(operation) for operation in shown.operations]})

    async def one(self, request: Request) -> Response:
        """One of them, with its payment; one that was refused in its turn: the problem that who waited was told."""
        client = self._dependencies.admission.admit(request, Scope.PAYMENTS_READ)
        payment = await own_payment(self._dependencies.reads, request, client)
        operation_id = path_id(request, "operation_id", Problem.OPERATION_NOT_FOUND)
        if payment.operation(operation_id) is None:
            if (refusal := await self._dependencies.reads.refusal(client, payment.id, operation_id)) is not None:
                raise refused(refusal)
            raise ProblemError(Problem.OPERATION_NOT_FOUND, Problem.OPERATION_NOT_FOUND.cause)
        return json_answer(request, operation_result(view(payment, payment.operations), operation_id, known=True))


TIMELINE_PATH: Final = PAYMENT_PATH + "/timeline"


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. Messages, places in the stream and who in our house did it stay inside."""

    at: datetime
    kind: str
    summary: str


class ReadTimelineHandler:
    """Tells a client what its payment went through, contacts masked."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def __call__(self, request: Request) -> Response:
        client = self._dependencies.admission.admit(request, Scope.PAYMENTS_READ)
        payment = await own_payment(self._dependencies.reads, request, client)
        told = await self._dependencies.reads.timeline(payment.id)
        entries = [TimelineEntry(at=entry.at, kind=entry.kind, summary=entry.summary) for entry in told]
        return json_answer(request, {"data": entries})
