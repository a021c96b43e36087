"""Refusals of the service as exceptions: RFC 9457 problem documents with stable types."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec


class BillingError(Exception):
    """Base class of all exceptions of the client."""


class NoAnswer(BillingError):
    """No response in time. It is unknown whether a command was accepted: repeat it with its Idempotency-Key."""


class FieldError(msgspec.Struct, frozen=True):
    """One invalid field of a request. ``pointer``: RFC 6901, from the body's root."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True):
    """The problem document."""

    type: str
    title: str
    status: int
    detail: str | None = None
    request_id: str | None = None
    errors: tuple[FieldError, ...] = ()
    code: str | None = None


class ProblemError(BillingError):
    """The service refused the request. ``code`` is the end of the problem's type, whose URL describes it; a type that
    earlier releases of the service named otherwise has its present code.

    ``rule``: the rule that refused a command, if it has no type of its own. ``extensions``: all members.
    """

    def __init__(self, problem: Problem, extensions: Mapping[str, Any]) -> None:
        self.code = _code(problem)
        super().__init__(f"{problem.status} {self.code}: {problem.detail or problem.title}")
        self.status = problem.status
        self.title = problem.title
        self.detail = problem.detail
        self.request_id = problem.request_id
        self.errors = problem.errors
        self.rule = problem.code
        self.extensions = extensions


class Unauthorized(ProblemError):
    """The API key is missing, wrong or revoked."""


class Forbidden(ProblemError):
    """The API key lacks the scope, or the feature is off in this installation: see ``code``."""


class NotFound(ProblemError):
    """It does not exist, or it was accepted a moment ago and is not committed yet."""


class Refused(ProblemError):
    """The state of the payment or subscription does not allow the command: read it and decide again."""


class InvalidRequest(ProblemError):
    """The request is not valid; ``errors`` names the fields."""


class KeyReused(InvalidRequest):
    """The Idempotency-Key was used for another command."""


class TooManyRequests(ProblemError):
    """The rate of the API client was exceeded for longer than :class:`~billing_client.repeats.Repeats` allows."""


class Unavailable(ProblemError):
    """The service is unavailable: a command was not accepted, or (500) it is unknown whether it was."""


#: Former code → present code, of renamed problem types.
_RENAMED: Final = MappingProxyType({"payment-not-unpaid": "payment-already-paid"})
_BY_CODE: Final = MappingProxyType({"idempotency-key-reused": KeyReused})
_BY_STATUS: Final = MappingProxyType(
    {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Refused, 429: TooManyRequests}
)
_FIRST_SERVER_ERROR: Final = 500
_problems: Final = msgspec.json.Decoder(Problem)


def _code(problem: Problem) -> str:
    code = problem.type.rpartition("/")[2]
    return _RENAMED.get(code, code)


def problem_error(status: int, reason: str, body: bytes) -> ProblemError:
    """The exception for a response. If it is not a problem document (a proxy's page), the status decides."""
    try:
        problem = _problems.decode(body)
        extensions = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        problem, extensions = Problem("about:blank", reason or f"status {status}", status), {}
    default = Unavailable if status >= _FIRST_SERVER_ERROR else InvalidRequest
    kind = _BY_CODE.get(_code(problem)) or _BY_STATUS.get(status, default)
    return kind(problem, extensions)
