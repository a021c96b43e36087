"""What the service refuses, as exceptions: RFC 9457 problem documents with stable types."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec


class BillingError(Exception):
    """Base of everything that the client raises."""


class NoAnswer(BillingError):
    """Nobody answered in time. Whether a command was accepted is not known: repeat it with its Idempotency-Key."""


class FieldError(msgspec.Struct, frozen=True):
    """One fault of a request. ``pointer``: RFC 6901, from the body's root."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True):
    """The document."""

    type: str
    title: str
    status: int
    detail: str | None = None
    request_id: str | None = None
    errors: tuple[FieldError, ...] = ()
    code: str | None = None


class ProblemError(BillingError):
    """The service's answer is a problem document. ``code`` ends its type; the service describes it at that URL.

    ``rule``: the rule of the books that refused, where it has no type of its own. ``extensions``: all members.
    """

    def __init__(self, problem: Problem, extensions: Mapping[str, Any]) -> None:
        self.code = problem.type.rpartition("/")[2]
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
    """The API key has not the scope."""


class NotFound(ProblemError):
    """No such payment or operation; or it was accepted a moment ago and is not in the books yet."""


class Refused(ProblemError):
    """The payment's state does not allow it: read the payment and decide anew."""


class InvalidRequest(ProblemError):
    """The request is not valid; ``errors`` names the fields."""


class KeyReused(InvalidRequest):
    """The Idempotency-Key was used for another command."""


class TooManyRequests(ProblemError):
    """Faster than the client's rate, for longer than the client was willing to wait."""


class Unavailable(ProblemError):
    """The service could not take it: a command was not accepted, or (500) it is not known whether it was."""


_BY_CODE: Final = MappingProxyType({"idempotency-key-reused": KeyReused})
_BY_STATUS: Final = MappingProxyType(
    {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Refused, 429: TooManyRequests}
)
_FIRST_SERVER_ERROR: Final = 500
_problems: Final = msgspec.json.Decoder(Problem)


def problem_error(status: int, reason: str, body: bytes) -> ProblemError:
    """The exception for an answer. One that is no problem document (a proxy's page) is judged by its status."""
    try:
        problem = _problems.decode(body)
        extensions = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        problem, extensions = Problem("about:blank", reason or f"status {status}", status), {}
    default = Unavailable if status >= _FIRST_SERVER_ERROR else InvalidRequest
    kind = _BY_CODE.get(problem.type.rpartition("/")[2]) or _BY_STATUS.get(status, default)
    return kind(problem, extensions)
