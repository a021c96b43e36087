"""Errors as the API answers them: RFC 9457 problem documents with stable types."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response

from billing.messages import Refusal
from ingest_api.problems.table import Problem

__all__ = [
    "MEDIA_TYPE",
    "RETRY_AFTER_S",
    "FieldError",
    "Problem",
    "ProblemError",
    "problem_response",
    "refused",
    "unavailable",
]

MEDIA_TYPE: Final = "application/problem+json"


class FieldError(msgspec.Struct, frozen=True):
    """One fault of a body. ``pointer``: RFC 6901, from the body's root."""

    pointer: str
    detail: str


class ProblemError(Exception):
    """Raised anywhere while a request is handled; answered as ``problem``.

    ``detail`` is for people and never repeats what the client sent; ``extensions`` become members of the document.
    """

    def __init__(
        self,
        problem: Problem,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
        **extensions: Any,
    ) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.detail = detail
        self.headers = headers
        self.extensions = {**extensions, "errors": errors} if errors else extensions


#: Refusals of the domain that have a problem type of their own; any other code is a ``command-refused``.
REFUSALS: Final[Mapping[str, Problem]] = {
    "idempotency_key_reused": Problem.IDEMPOTENCY_KEY_REUSED,
    "invalid_order": Problem.INVALID_ORDER,
    "payment_not_found": Problem.PAYMENT_NOT_FOUND,
    "not_authorized": Problem.NOT_AUTHORIZED,
    "not_captured": Problem.NOT_CAPTURED,
    "already_closed": Problem.ALREADY_CLOSED,
    "operation_in_progress": Problem.OPERATION_IN_PROGRESS,
    "outcome_unknown": Problem.OUTCOME_UNKNOWN,
    "amount_exceeds_authorized": Problem.AMOUNT_EXCEEDS_AUTHORIZED,
    "amount_exceeds_refundable": Problem.AMOUNT_EXCEEDS_REFUNDABLE,
    "items_not_refundable": Problem.ITEMS_NOT_REFUNDABLE,
    "cart_required": Problem.CART_REQUIRED,
    "cart_total_mismatch": Problem.CART_TOTAL_MISMATCH,
}

#: Seconds after which a client may ask again when a part is away.
RETRY_AFTER_S: Final = 1


def unavailable(detail: str) -> ProblemError:
    """503 with Retry-After."""
    return ProblemError(Problem.UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def refused(refusal: Refusal) -> ProblemError:
    """The problem for what the domain refused."""
    problem = REFUSALS.get(refusal.code)
    if problem is None:
        return ProblemError(Problem.REFUSED, refusal.detail, code=refusal.code)
    return ProblemError(problem, refusal.detail)


def problem_response(error: ProblemError, request_id: str | None) -> Response:
    """The answer for ``error``."""
    document: dict[str, Any] = {
        "type": error.problem.uri,
        "title": error.problem.title,
        "status": error.problem.status,
    }
    if error.detail is not None:
        document["detail"] = error.detail
    if request_id is not None:
        document["request_id"] = request_id
    document.update(error.extensions)
    return Response(
        msgspec.json.encode(document),
        status_code=error.problem.status,
        headers=dict(error.headers) if error.headers else None,
        media_type=MEDIA_TYPE,
    )
