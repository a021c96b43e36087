"""Errors of the API: RFC 9457 problem documents with stable types, their table and their pages. What is refused is
decided by the endpoints and the domain."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from billing.messages import Refusal
from ingest_api.problems.table import Problem
from ingest_api.problems.words import in_words, told_once
from runtime.http.problems import MEDIA_TYPE, FieldError, ProblemError, problem_response

__all__ = [
    "MAX_ERRORS",
    "MAX_POINTER",
    "MEDIA_TYPE",
    "RETRY_AFTER_S",
    "FieldError",
    "Problem",
    "ProblemDocument",
    "ProblemError",
    "escape_pointer",
    "invalid_fields",
    "problem_response",
    "refused",
    "unavailable",
]


def _without_default(schema: dict[str, Any]) -> None:
    """A member that is left out is not null."""
    schema.pop("default", None)


class ProblemDocument(BaseModel):
    """An error (RFC 9457). Some types have further members."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(json_schema_extra={"format": "uri-reference"}, examples=[Problem.INVALID_REQUEST.uri])
    title: str
    status: int
    detail: str | SkipJsonSchema[None] = Field(None, json_schema_extra=_without_default)
    request_id: str | SkipJsonSchema[None] = Field(None, json_schema_extra=_without_default)
    errors: tuple[FieldError, ...] | SkipJsonSchema[None] = Field(None, json_schema_extra=_without_default)


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
    "plan_not_found": Problem.PLAN_NOT_FOUND,
    "plan_exists": Problem.PLAN_EXISTS,
    "plan_archived": Problem.PLAN_ARCHIVED,
    "subscription_not_found": Problem.SUBSCRIPTION_NOT_FOUND,
    "already_subscribed": Problem.ALREADY_SUBSCRIBED,
    "first_payment_open": Problem.FIRST_PAYMENT_OPEN,
    "charge_open": Problem.CHARGE_OPEN,
    "too_many_tries": Problem.TOO_MANY_TRIES,
    "nothing_due": Problem.NOTHING_DUE,
    "no_method": Problem.NO_METHOD,
    "not_cancelled": Problem.NOT_CANCELLED,
    "subscription_ended": Problem.SUBSCRIPTION_ENDED,
    "not_extendable": Problem.NOT_EXTENDABLE,
    "invalid_price": Problem.INVALID_PRICE,
    "invalid_end": Problem.INVALID_END,
    "invalid_clock_time": Problem.INVALID_CLOCK_TIME,
}

#: Seconds after which a client may repeat a request that could not be served.
RETRY_AFTER_S: Final = 1

#: Errors listed in one response, and characters of a name repeated in one.
MAX_ERRORS: Final = 20
MAX_POINTER: Final = 160


def unavailable(detail: str) -> ProblemError:
    """503 with Retry-After."""
    return ProblemError(Problem.UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def refused(refusal: Refusal) -> ProblemError:
    """The problem for what the domain refused."""
    problem = REFUSALS.get(refusal.code)
    if problem is None:
        return ProblemError(Problem.REFUSED, refusal.detail, code=refusal.code)
    return ProblemError(problem, refusal.detail)


def invalid_fields(faults: Sequence[Mapping[str, Any]]) -> ProblemError:
    """An ``invalid-request`` that names the fields of pydantic's ``faults``. Values are never repeated: one may be a
    secret."""
    return ProblemError(
        Problem.INVALID_REQUEST,
        errors=[FieldError(_pointer(fault["loc"]), in_words(fault)) for fault in told_once(faults)[:MAX_ERRORS]],
    )


def _pointer(location: Sequence[int | str]) -> str:
    """RFC 6901. ``[key]`` marks that a key, not its value, is at fault: the pointer is the same."""
    parts = [str(part) for part in location if part != "[key]"]
    return "".join(f"/{escape_pointer(part)}" for part in parts)[:MAX_POINTER]


def escape_pointer(name: str) -> str:
    """A member's name as a pointer has it."""
    return name.replace("~", "~0").replace("/", "~1")
