"""Turns every error into a problem document, those of the framework included."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ingest_api.metrics import Metrics
from ingest_api.problems import Problem, ProblemError, invalid_fields, problem_response

log = structlog.get_logger(__name__)

#: HTTP errors of the framework, by status.
FRAMEWORK: Final[Mapping[int, Problem]] = {
    404: Problem.NOT_FOUND,
    405: Problem.METHOD_NOT_ALLOWED,
}

#: Parameters with a problem type of their own, by location and name. Faults of all others are an ``invalid-request``.
PARAMETERS: Final[Mapping[tuple[str, str], Problem]] = {
    ("path", "payment_id"): Problem.PAYMENT_NOT_FOUND,
    ("path", "operation_id"): Problem.OPERATION_NOT_FOUND,
    ("path", "plan_id"): Problem.PLAN_NOT_FOUND,
    ("path", "subscription_id"): Problem.SUBSCRIPTION_NOT_FOUND,
    ("path", "clock_id"): Problem.TEST_CLOCK_NOT_FOUND,
    ("header", "Idempotency-Key"): Problem.INVALID_IDEMPOTENCY_KEY,
}

FIRST_SERVER_ERROR: Final = 500


class ErrorHandlers:
    """Turns exceptions into responses, counts and logs them. ``methods``: path template → methods it is served with."""

    def __init__(self, metrics: Metrics, methods: Mapping[str, Iterable[str]]) -> None:
        self._metrics = metrics
        self._methods = methods

    def install(self, app: FastAPI) -> None:
        """Handle what endpoints and the framework raise. Unexpected errors are left to the request context."""
        app.add_exception_handler(ProblemError, self.on_problem)
        app.add_exception_handler(RequestValidationError, self.on_invalid_parameters)
        app.add_exception_handler(HTTPException, self.on_http_error)

    def response(self, error: ProblemError, request_id: str | None) -> Response:
        """The problem document for ``error``."""
        problem = error.problem
        self._metrics.problems.labels(problem.code).inc()
        write = log.warning if problem.status >= FIRST_SERVER_ERROR else log.info
        write("refused", problem=problem.code, status=problem.status)
        return problem_response(error, request_id)

    async def on_problem(self, request: Request, error: Exception) -> Response:
        """The response for a problem that an endpoint raised."""
        assert isinstance(error, ProblemError)
        return self.response(error, request.state.request_id)

    async def on_invalid_parameters(self, request: Request, error: Exception) -> Response:
        """The response for parameters that FastAPI refused."""
        assert isinstance(error, RequestValidationError)
        return self.response(_invalid_parameters(error.errors()), request.state.request_id)

    async def on_http_error(self, request: Request, error: Exception) -> Response:
        """The response for what the framework refused before an endpoint was reached."""
        assert isinstance(error, HTTPException)
        problem = FRAMEWORK.get(error.status_code)
        if problem is None:
            problem = Problem.INTERNAL if error.status_code >= FIRST_SERVER_ERROR else Problem.INVALID_HTTP
        headers = error.headers
        if problem is Problem.METHOD_NOT_ALLOWED:
            route = getattr(request.scope.get("route"), "path", "")
            if route in self._methods:  # the router names the methods of one route; others may have the same path
                headers = {"Allow": ", ".join(self._methods[route])}
        return self.response(ProblemError(problem, headers=headers), request.state.request_id)


def _invalid_parameters(faults: Sequence[Mapping[str, Any]]) -> ProblemError:
    for fault in faults:
        if (problem := PARAMETERS.get(fault["loc"][:2])) is not None:
            return ProblemError(problem)
    return invalid_fields([{**fault, "loc": _parameter(*fault["loc"][1:])} for fault in faults])


def _parameter(name: str, *inside: int | str) -> tuple[str]:
    """A parameter is flat: members are part of its name, as in ``metadata[campaign]``."""
    return ("".join((name, *(f"[{step}]" for step in inside if isinstance(step, str) and step != "[key]"))),)
