"""Errors of the analytics API: RFC 9457 problem documents with stable types."""

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from runtime.http.connections import Breach
from runtime.http.problems import ProblemError, ProblemType, problem_response

log = structlog.get_logger(__name__)


class Problem(ProblemType):
    """Every problem type. ``code`` ends the type's URI and never changes; ``resolution`` is for people."""

    def __init__(self, code: str, status: int, title: str, resolution: str) -> None:
        self.code = code
        self.status = status
        self.title = title
        self.resolution = resolution

    UNAUTHORIZED = ("unauthorized", 401, "The API key is missing or wrong", "Send 'Authorization: Bearer <api key>'.")
    FORBIDDEN = (
        "forbidden",
        403,
        "The API key does not allow this",
        (
            "Use a key with the scope 'analytics:read' (its client's own payments) or 'analytics:all': "
            "`billing api-keys create NAME --scope analytics:all --reason WHY`."
        ),
    )
    UNKNOWN_REPORT = (
        "unknown-report",
        404,
        "There is no such report",
        "GET /v1/analytics lists all reports.",
    )
    NOT_FOUND = (
        "not-found",
        404,
        "There is nothing at this URL",
        "See /v1/analytics for programs, /reports for people.",
    )
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "The method is not supported here", "Use GET.")
    BAD_REQUEST = ("bad-request", 400, "The request is not valid", "See /openapi.json.")
    INVALID_PARAMETER = (
        "invalid-parameter",
        422,
        "The report has no such parameter, or its value is not of the parameter's type",
        "GET /v1/analytics lists each report's parameters, their types and defaults.",
    )
    NOT_ACCEPTABLE = (
        "not-acceptable",
        406,
        "The report is not available in this format",
        "Accept application/json or text/csv.",
    )
    SLOW_REQUEST = (
        "request-timeout",
        408,
        "The request did not arrive in time",
        "Send it again. The connection is closed.",
    )
    TOO_MANY_ATTEMPTS = (
        "too-many-attempts",
        429,
        "Too many wrong API keys came from this address",
        "Retry after Retry-After seconds, with a valid key.",
    )
    TOO_MANY_CONNECTIONS = (
        "too-many-connections",
        503,
        "There are too many connections",
        "Retry after Retry-After seconds.",
    )
    TOO_MANY = ("analytics-busy", 503, "Too many reports are running", "Retry after Retry-After seconds.")
    UNAVAILABLE = (
        "analytics-away",
        503,
        "ClickHouse or Postgres is unavailable, or took too long",
        "Retry after Retry-After seconds; choose fewer days.",
    )


#: Seconds after which to retry while a service is unavailable or busy.
RETRY_AFTER_S: Final = 2
_HEADERS: Final[Mapping[ProblemType, Mapping[str, str]]] = {
    Problem.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="billing"'},
    Problem.TOO_MANY_CONNECTIONS: {"Retry-After": str(RETRY_AFTER_S)},
    Problem.TOO_MANY: {"Retry-After": str(RETRY_AFTER_S)},
    Problem.UNAVAILABLE: {"Retry-After": str(RETRY_AFTER_S)},
}

_BREACHES: Final[Mapping[Breach, Problem]] = {
    Breach.TOO_MANY_CONNECTIONS: Problem.TOO_MANY_CONNECTIONS,
    Breach.SLOW_REQUEST: Problem.SLOW_REQUEST,
    Breach.INVALID_HTTP: Problem.BAD_REQUEST,
}


async def on_problem(_request: Request, error: Exception) -> Response:
    """The response to a raised problem, outside the pages."""
    assert isinstance(error, ProblemError)
    headers = error.headers or _HEADERS.get(error.problem)
    return problem_response(ProblemError(error.problem, error.detail, headers=headers))


def refuse_connection(breach: Breach, detail: str | None) -> Response:
    """The response to a connection that exceeds a limit before there is a request."""
    problem = _BREACHES[breach]
    log.info("refused", problem=problem.code, status=problem.status)
    return problem_response(ProblemError(problem, detail, headers=_HEADERS.get(problem)))


async def on_http_error(_request: Request, error: Exception) -> Response:
    """The response to what the framework refuses."""
    assert isinstance(error, HTTPException)
    found = {404: Problem.NOT_FOUND, 405: Problem.METHOD_NOT_ALLOWED}.get(error.status_code, Problem.BAD_REQUEST)
    return problem_response(ProblemError(found, headers=error.headers))


async def read_problem(request: Request) -> Response:
    """Describe a problem type, at the URL of its ``type``."""
    found = next((p for p in Problem if p.code == request.path_params["code"]), None)
    if found is None:
        return Response(status_code=404)
    description = {
        "type": found.uri,
        "status": found.status,
        "title": found.title,
        "resolution": found.resolution,
        "cure": found.resolution,  # the name of `resolution` until v2
    }
    return Response(msgspec.json.encode(description), media_type="application/json")
