"""The application, made of its dependencies."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from ingest_api.dependencies import Dependencies, Replies, Writer
from ingest_api.edge.fast_path import FastPath, HandlerApp
from ingest_api.edge.request_context import RequestContext
from ingest_api.kafka.change_streams import ChangeStreams
from ingest_api.openapi import page
from ingest_api.openapi.document import DESCRIPTION, complete
from ingest_api.problems.handlers import ErrorHandlers
from ingest_api.routes import ApiRoute, api_routes
from ingest_api.routing.provider_health import ProviderHealth
from providers.base import Provider
from storage.access.key_ring import KeyRing


def create_app(dependencies: Dependencies) -> ASGIApp:
    """The whole API. Starting it starts its dependencies, stopping it stops them."""
    routes = api_routes(dependencies)
    methods: dict[str, list[str]] = {}
    for route in routes:
        methods.setdefault(route.path, []).append(route.method)
    errors = ErrorHandlers(dependencies.metrics, methods)
    context = partial(RequestContext, metrics=dependencies.metrics, errors=errors, new_id=dependencies.new_id)
    app = IngestApp(
        title="Cinema billing",
        version="1",
        description=DESCRIPTION,
        lifespan=_lifespan(dependencies),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.route_class = HandlerRoute
    errors.install(app)
    for route in routes:
        _add(app, route)
    app.add_route(page.PATH, page.docs_page(app.openapi), methods=["GET"])
    direct = {
        (route.method, route.path): context(HandlerApp(route.path, route.handler, errors))
        for route in routes
        if route.busy
    }
    app.add_middleware(context)
    return FastPath(app, direct)


class HandlerRoute(APIRoute):
    """A route whose endpoint takes the request and gives the answer: FastAPI documents it and is not in its way."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


class IngestApp(FastAPI):
    """The application with its own OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi())
        return self.openapi_schema


def _add(app: FastAPI, route: ApiRoute) -> None:
    async def endpoint(request: Request) -> Response:
        return await route.handler(request)

    app.add_api_route(
        route.path,
        endpoint,
        methods=[route.method],
        operation_id=route.name,
        # FastAPI documents an answer of its own with this status; what the handler answers is in `docs`.
        status_code=min(route.docs["responses"]),
        response_class=Response,
        **route.docs,
    )


def _lifespan(dependencies: Dependencies) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(dependencies.reads.close)
            started: list[Provider | Writer | Replies | ChangeStreams | KeyRing | ProviderHealth] = [
                *dependencies.providers.values(),
                dependencies.writer,
                dependencies.replies,
                dependencies.changes,
                dependencies.admission.keys,
                dependencies.selector.health,
            ]
            for part in started:
                stack.push_async_callback(part.close)
                await part.start()
            yield

    return lifespan
