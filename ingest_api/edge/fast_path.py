"""The busiest routes, served without the framework in between."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest_api.kafka.writer import NotStored
from ingest_api.problems import ProblemError
from ingest_api.problems.handlers import ErrorHandlers

Handler = Callable[[Request], Awaitable[Response]]


class HandlerApp:
    """One handler as an ASGI application. ``path`` is what metrics call it."""

    def __init__(self, path: str, handler: Handler, errors: ErrorHandlers) -> None:
        self.path = path
        self._handler = handler
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        request = Request(scope, receive, send)
        try:
            response = await self._handler(request)
        except (ProblemError, NotStored) as error:
            response = await self._errors.expected(request, error)
        await response(scope, receive, send)


class FastPath:
    """Sends a request straight to its handler where there is one, and to the application otherwise.

    The framework's routing and its stack of middlewares cost a fifth of a command; the same routes stand in the
    application as well, for the documentation and for every other method.
    """

    def __init__(self, app: ASGIApp, direct: Mapping[tuple[str, str], ASGIApp]) -> None:
        self._app = app
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            app = self._direct.get((scope["method"], scope["path"]), app)
        await app(scope, receive, send)
