"""uvicorn: its configuration, and its shutdown."""

import socket
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog
import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp

from ingest_api.dependencies import Dependencies
from ingest_api.edge.request_context import HEADERS, POLICY
from ingest_api.problems import Problem, ProblemError, unavailable
from ingest_api.problems.handlers import ErrorHandlers
from runtime.http.connections import Bounds, Breach, connection_limit
from runtime.http.server import http_config

#: Seconds that requests in progress have at shutdown; more than a write to Kafka may take.
GRACE_S: Final = 15
#: Seconds an idle connection is kept: longer than the clients' own limit, so that they close first.
KEEP_ALIVE_S: Final = 75


def server_config(dependencies: Dependencies, app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """The configuration of uvicorn, with bounds for every connection."""
    settings = dependencies.settings
    bounds = Bounds(
        head_s=settings.ingest_head_timeout_s,
        body_s=settings.ingest_body_timeout_s,
        connections=connection_limit(settings.ingest_connections),
        refusal=_refusal(ErrorHandlers(dependencies.metrics, {}), dependencies.new_id),
    )
    return http_config(
        app,
        host,
        port,
        settings.ingest_trusted_proxies,
        bounds,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def _refusal(errors: ErrorHandlers, new_id: Callable[[], str]) -> Callable[[Breach, str | None], Response]:
    """Makes responses without a request: counted and logged like all others, each with an id."""
    headers = {name.decode(): value.decode() for name, value in (*HEADERS, POLICY)}

    def answer(breach: Breach, detail: str | None) -> Response:
        request_id = new_id()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = errors.response(_problem(breach, detail), request_id)
        response.headers.update({**headers, "x-request-id": request_id})
        return response

    return answer


def _problem(breach: Breach, detail: str | None) -> ProblemError:
    match breach:
        case Breach.TOO_MANY_CONNECTIONS:
            return unavailable(detail or "")
        case Breach.SLOW_REQUEST:
            return ProblemError(Problem.SLOW_REQUEST, detail)
        case Breach.INVALID_HTTP:
            return ProblemError(Problem.INVALID_HTTP, detail)


class Releasable(Protocol):
    """Something that keeps requests open."""

    def release(self) -> None:
        """End them now."""


class IngestServer(uvicorn.Server):
    """At shutdown, ends at once what would delay it: requests that wait for a reply (their commands are stored) and event
    streams (their clients resume at another process)."""

    def __init__(self, config: uvicorn.Config, holding: Sequence[Releasable]) -> None:
        super().__init__(config)
        self._holding = holding

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for part in self._holding:
            part.release()
        await super().shutdown(sockets)
