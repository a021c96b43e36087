"""The two busiest routes, opening a payment and provider callbacks, served without the framework in between."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest_api.problems import ProblemError
from ingest_api.problems.handlers import ErrorHandlers

Handler = Callable[[Request], Awaitable[Response]]


class DirectRoute(APIRoute):
    """A route that FastAPI documents and does not execute: its endpoint takes the request and returns the response.

    Parameters and ``dependencies`` of such a route are for the OpenAPI document only. The endpoint checks them itself.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


class HandlerApp:
    """A direct route as an ASGI application. ``path`` names it in metrics."""

    def __init__(self, route: DirectRoute, errors: ErrorHandlers) -> None:
        self.path = route.path
        self._handle = route.get_route_handler()
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        request = Request(scope, receive, send)
        try:
            response = await self._handle(request)
        except ProblemError as error:
            response = await self._errors.on_problem(request, error)
        await response(scope, receive, send)


class FastPath:
    """Sends a request for a direct route straight to its handler, and every other request to the application.

    The framework's routing and its stack of middlewares cost a fifth of a command. The same routes are in the
    application as well, for the document and for every other method.
    """

    def __init__(
        self, app: ASGIApp, routes: Iterable[DirectRoute], errors: ErrorHandlers, context: Callable[[ASGIApp], ASGIApp]
    ) -> None:
        self._app = app
        self._direct = {
            (method, route.path): context(HandlerApp(route, errors))
            for route in routes
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            app = self._direct.get((scope["method"], scope["path"]), app)
        await app(scope, receive, send)
