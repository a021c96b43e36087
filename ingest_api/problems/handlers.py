"""Every error becomes a problem document, the framework's own included."""

from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ingest_api.kafka.writer import NotStored
from ingest_api.metrics import Metrics
from ingest_api.problems import Problem, ProblemError, problem_response, unavailable

log = structlog.get_logger(__name__)

#: What the framework raises, by status.
FRAMEWORK: Final[Mapping[int, Problem]] = {
    404: Problem.NOT_FOUND,
    405: Problem.METHOD_NOT_ALLOWED,
}

FIRST_SERVER_ERROR: Final = 500


class ErrorHandlers:
    """Turns exceptions into answers, counts and logs them. ``methods``: path template → what it can be asked with."""

    def __init__(self, metrics: Metrics, methods: Mapping[str, Iterable[str]]) -> None:
        self._metrics = metrics
        self._methods = methods

    def install(self, app: FastAPI) -> None:
        """Handle what handlers and the router raise. What nobody expected is left to the request context."""
        for error in (ProblemError, NotStored, HTTPException):
            app.add_exception_handler(error, self.expected)

    def answer(self, error: ProblemError, request_id: str | None) -> Response:
        """The answer for ``error``."""
        problem = error.problem
        self._metrics.problems.labels(problem.code).inc()
        write = log.warning if problem.status >= FIRST_SERVER_ERROR else log.info
        write("refused", problem=problem.code, status=problem.status)
        return problem_response(error, request_id)

    async def expected(self, request: Request, error: Exception) -> Response:
        """The answer for what handlers and the framework raise on purpose."""
        problem = _as_problem(error)
        if problem.problem is Problem.METHOD_NOT_ALLOWED:
            route = getattr(request.scope.get("route"), "path", "")
            if route in self._methods:  # the router told of one route, and another has the same path
                problem.headers = {"Allow": ", ".join(self._methods[route])}
        return self.answer(problem, request.state.request_id)


def _as_problem(error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, NotStored):
        log.warning("Kafka did not acknowledge", error=str(error))
        return unavailable("the request could not be stored and was not accepted")
    assert isinstance(error, HTTPException)
    problem = FRAMEWORK.get(error.status_code)
    if problem is None:
        problem = Problem.INTERNAL if error.status_code >= FIRST_SERVER_ERROR else Problem.INVALID_HTTP
    return ProblemError(problem, headers=error.headers)
