"""The context of every request: its id, its metrics, the headers of its response, and unexpected errors."""

import re
from collections.abc import Callable
from time import perf_counter
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest_api.edge.trace import TRACEPARENT
from ingest_api.metrics import Metrics
from ingest_api.problems import Problem, ProblemError
from ingest_api.problems.handlers import ErrorHandlers
from runtime.logging.card_numbers import holds_card_number

log = structlog.get_logger(__name__)

#: Status in metrics when the client disconnected before the response (as in nginx).
CLIENT_CLOSED: Final = 499

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
#: Headers of every response.
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"strict-transport-security", b"max-age=31536000"),
)
#: What a response may load, unless it has a policy of its own.
POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class RequestContext:
    """Pure ASGI, because it runs for every request: the framework's base class for middlewares costs more than all of
    this."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        errors: ErrorHandlers,
        new_id: Callable[[], str],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._errors = errors
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 0
        request_id = self._request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        headers = [(b"x-request-id", request_id.encode("ascii")), *HEADERS]

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                limits = scope["state"].get("rate_limit", ())
                trace = scope["state"].get(TRACEPARENT)
                traced = () if trace is None else ((b"traceparent", trace.encode("ascii")),)
                own = message.get("headers", ())
                policy = () if any(name == POLICY[0] for name, _ in own) else (POLICY,)
                message["headers"] = [*own, *headers, *policy, *limits, *traced]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            status = status or CLIENT_CLOSED
        except Exception:
            log.exception("unexpected error")
            if status:
                raise  # the response has begun: it can only be cut off
            problem = self._errors.response(ProblemError(Problem.INTERNAL), request_id)
            await problem(scope, receive, answer)
        finally:
            self._count(scope, status, perf_counter() - started)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                if _REQUEST_ID.fullmatch(value) and not holds_card_number(str(value, "ascii")):
                    return str(value, "ascii")
                break
        return self._new_id()

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if route != "none" else "any"
        self._metrics.answered(route, method, status, seconds)
