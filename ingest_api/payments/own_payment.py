"""The payment that a request's path names, if it is the client's own."""

from uuid import UUID

from starlette.requests import Request

from billing.payments.model import Payment
from ingest_api.dependencies import Reads
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
