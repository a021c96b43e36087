"""Errors of the analytics API and of clearing's: RFC 9457 problem documents with stable types. What is wrong with a body, a
header or a filter is named as the payments API names it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ingest_api.problems import Problem as RequestProblem
from ingest_api.problems import invalid_fields
from runtime.http.connections import Breach
from runtime.http.problems import MEDIA_TYPE, ProblemError, ProblemType, problem_response

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
            "Use a key with the scope in 'scope'; reports on the payments of all clients take 'analytics:all': "
            "`billing api-keys create NAME --scope SCOPE --reason WHY`."
        ),
    )
    NOT_PERMITTED = (
        "not-permitted",
        403,
        "Your role may not do this",
        "The page of the staff says what each role may do. Ask an administrator.",
    )
    FORM_REFUSED = (
        "form-refused",
        403,
        "The form is too old, or did not come from a page of ours",
        "Nothing was done. Load the page again, and send its form.",
    )
    FORM_TOO_LARGE = (
        "form-too-large",
        413,
        "The form is too large",
        "Nothing was done. Write less, or divide the file.",
    )
    UNKNOWN_REPORT = (
        "unknown-report",
        404,
        "There is no such report",
        "GET /v1/analytics lists all reports.",
    )
    DISCREPANCY_NOT_FOUND = (
        "discrepancy-not-found",
        404,
        "There is no such discrepancy",
        "The page /discrepancies, and GET /v1/clearing/discrepancies, list those that are not closed.",
    )
    NO_TRIAL_BALANCE = (
        "no-trial-balance",
        404,
        "There is no trial balance of this day",
        "Name a day since the books began that is not in the future; 'detail' says which is wrong.",
    )
    VERSION_REQUIRED = (
        "version-required",
        428,
        "The version that was seen is missing",
        "Read the discrepancy, and send its ETag as If-Match.",
    )
    DISCREPANCY_CHANGED = (
        "discrepancy-changed",
        412,
        "The discrepancy has changed since it was read",
        "Read the discrepancy and decide again.",
    )
    DECISION_REFUSED = (
        "decision-refused",
        422,
        "The discrepancy cannot be decided so",
        "Read 'detail', and the discrepancy's state and kind.",
    )
    RUN_REFUSED = (
        "run-refused",
        422,
        "The day cannot be run",
        "Name a provider and a business day that is over there.",
    )
    STATEMENT_DOUBTED = (
        "statement-doubted",
        409,
        "The statement of the day is doubted",
        "Look at it. Then send 'believe' with your reason, or let the provider correct it.",
    )
    DAY_NOT_CLOSED = (
        "day-not-closed",
        409,
        "The day cannot be closed",
        "Days are closed in order, when they are over; 'detail' says what is missing.",
    )
    LEDGER_BUSY = (
        "ledger-busy",
        503,
        "The ledger is being written to",
        "Retry after Retry-After seconds.",
    )
    NO_PAYMENT = (
        "payment-not-found",
        404,
        "There is no such payment",
        "Search for it by its order, its customer or the provider's id.",
    )
    NO_SUBSCRIPTION = (
        "subscription-not-found",
        404,
        "There is no such subscription",
        "Search for it by its customer, or by one of its payments: their pages have a link to it.",
    )
    NO_CUSTOMER = (
        "customer-not-found",
        404,
        "Nobody has bought anything under this id",
        "The id is the shop's own, written exactly so. Search for one of the customer's payments: its page has a link.",
    )
    NO_KEY = ("key-not-found", 404, "There is no such API key", "The page of API keys lists those that can be used.")
    NO_APPROVAL = ("approval-not-found", 404, "There is no such request", "See what waits on the page of approvals.")
    APPROVAL_IMPOSSIBLE = (
        "approval-impossible",
        409,
        "This cannot be approved",
        "Read the request again. Where the payment has changed, refuse it: the requester asks anew.",
    )
    NO_SUCH_PREFERENCE = (
        "no-such-preference",
        422,
        "There is no such language or time zone",
        "Nothing was changed. Choose from the lists on your own page.",
    )
    NO_BULK_JOB = ("bulk-job-not-found", 404, "There is no such bulk job", "The page /bulk lists all of them.")
    NOT_FOUND = (
        "not-found",
        404,
        "There is nothing at this URL",
        "See /openapi.json for programs, /reports for people.",
    )
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "The method is not supported here", "See /openapi.json.")
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
        "ClickHouse, Postgres or Kafka is unavailable, or took too long",
        "Retry after Retry-After seconds; choose fewer days.",
    )


#: Seconds after which to retry while a service is unavailable or busy.
RETRY_AFTER_S: Final = 2
_HEADERS: Final[Mapping[ProblemType, Mapping[str, str]]] = {
    Problem.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="billing"'},
    Problem.TOO_MANY_CONNECTIONS: {"Retry-After": str(RETRY_AFTER_S)},
    Problem.LEDGER_BUSY: {"Retry-After": str(RETRY_AFTER_S)},
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
    return problem_response(ProblemError(error.problem, error.detail, headers=headers, **error.extensions))


async def on_invalid_parameters(_request: Request, error: Exception) -> Response:
    """The response for parameters that FastAPI refused."""
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    places = [fault["loc"][:2] for fault in faults]
    if ("header", "Idempotency-Key") in places:
        return problem_response(ProblemError(RequestProblem.INVALID_IDEMPOTENCY_KEY))
    if any(place[0] == "path" for place in places):
        return problem_response(ProblemError(Problem.NOT_FOUND))
    return problem_response(invalid_fields([{**fault, "loc": fault["loc"][1:2]} for fault in faults]))


def responses(*problems: ProblemType) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI ``responses`` of these problems."""
    found: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        example = {"type": problem.uri, "title": problem.title, "status": problem.status}
        answer = found.setdefault(
            problem.status, {"description": problem.title, "content": {MEDIA_TYPE: {"examples": {}}}}
        )
        answer["content"][MEDIA_TYPE]["examples"][problem.code] = {"value": example}
    return found


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
    code = request.path_params["code"]
    found = next((p for p in (*Problem, *RequestProblem) if p.code == code), None)
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
