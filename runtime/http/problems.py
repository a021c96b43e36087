"""Errors as RFC 9457 problem documents: the base of problem types, the exception, the response."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"


class ProblemType(Enum):
    """Base of a service's problem types. ``code`` ends the type's URI and never changes; ``title`` is for people."""

    code: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        """The ``type`` member; the service describes the type there."""
        return f"/problems/{self.code}"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of a body or a parameter. ``pointer``: RFC 6901, from the body's root."""

    pointer: str
    detail: str


class ProblemError(Exception):
    """Raised while a request is handled; the response is the problem document.

    ``detail`` is for people and never repeats what the client sent; ``extensions`` become members of the document.
    """

    def __init__(
        self,
        problem: ProblemType,
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


def problem_response(error: ProblemError, request_id: str | None = None) -> Response:
    """The response to ``error``."""
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
