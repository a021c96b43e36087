"""Errors of the analytics API: RFC 9457 problem documents with stable types."""

from enum import Enum
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Problem(Enum):
    """All there are. ``code`` ends the type's URI and never changes; ``cure`` is for who reads it."""

    def __init__(self, code: str, status: int, title: str, cure: str) -> None:
        self.code = code
        self.status = status
        self.title = title
        self.cure = cure

    UNAUTHORIZED = ("unauthorized", 401, "The API key is missing or wrong", "Send 'Authorization: Bearer <api key>'.")
    FORBIDDEN = (
        "forbidden",
        403,
        "The API key does not allow this",
        "Use a key with the scope 'analytics:read': `billing api-keys create NAME --scope analytics:read`.",
    )
    UNKNOWN_REPORT = (
        "unknown-report",
        404,
        "There is no such report",
        "GET /v1/analytics lists all of them.",
    )
    INVALID_PARAMETER = (
        "invalid-parameter",
        422,
        "A parameter is not one of the report, or not of its type",
        "GET /v1/analytics names each report's parameters, their types and defaults.",
    )
    NOT_ACCEPTABLE = (
        "not-acceptable",
        406,
        "The answer cannot be given in this form",
        "Accept application/json or text/csv.",
    )
    TOO_MANY = ("analytics-busy", 503, "Too many reports are being made", "Ask again after Retry-After seconds.")
    AWAY = ("analytics-away", 503, "ClickHouse or Postgres is away, or took too long", "Ask again; ask for fewer days.")

    @property
    def uri(self) -> str:
        """The ``type`` member; it resolves to this description."""
        return f"/problems/{self.code}"


class ProblemError(Exception):
    """Raised anywhere while a request is handled. ``detail`` is for people."""

    def __init__(self, problem: Problem, detail: str | None = None) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.detail = detail


#: Seconds after which to ask again where a part is away or busy.
RETRY_AFTER_S = 2


def answered(error: ProblemError) -> Response:
    """The document for ``error``."""
    problem = error.problem
    document: dict[str, Any] = {"type": problem.uri, "title": problem.title, "status": problem.status}
    if error.detail is not None:
        document["detail"] = error.detail
    headers = {}
    if problem.status == 503:  # noqa: PLR2004
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if problem is Problem.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="billing"'
    return Response(msgspec.json.encode(document), problem.status, headers, MEDIA_TYPE)


async def read_problem(request: Request) -> Response:
    """What a problem's ``type`` leads to."""
    found = next((p for p in Problem if p.code == request.path_params["code"]), None)
    if found is None:
        return Response(status_code=404)
    told = {"type": found.uri, "status": found.status, "title": found.title, "cure": found.cure}
    return Response(msgspec.json.encode(told), media_type="application/json")
