"""The application: its routes, its documentation, and the start and stop of what it depends on."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from ingest_api import health
from ingest_api.dependencies import Dependencies, Replies, Writer
from ingest_api.edge.fast_path import DirectRoute, FastPath
from ingest_api.edge.request_context import RequestContext
from ingest_api.instance import Instance
from ingest_api.kafka.change_streams import ChangeStreams
from ingest_api.openapi import page
from ingest_api.openapi.document import CONTACT, DESCRIPTION, LICENSE, SERVERS, TAGS, complete
from ingest_api.payment_methods import endpoints as payment_methods
from ingest_api.payments import act, create, events, read
from ingest_api.payments import list as payment_list
from ingest_api.problems import pages
from ingest_api.problems.handlers import ErrorHandlers
from ingest_api.routing.provider_health import ProviderHealth
from ingest_api.subscriptions import commands as subscription_commands
from ingest_api.subscriptions import events as subscription_events
from ingest_api.subscriptions import list as subscription_list
from ingest_api.subscriptions import plans, subscribe, test_clocks
from ingest_api.subscriptions import read as subscription_read
from ingest_api.webhooks.endpoint import webhook_router
from providers.base import CallbackVerifier
from storage.access.key_ring import KeyRing

#: What is started and closed with the application.
_Part = Instance | CallbackVerifier | Writer | Replies | ChangeStreams[Any] | KeyRing | ProviderHealth


def create_app(dependencies: Dependencies) -> ASGIApp:
    """The whole API. Starting it starts its dependencies, stopping it stops them."""
    app = IngestApp(
        title="Cinema billing",
        version="1",
        description=DESCRIPTION,
        servers=SERVERS,
        openapi_tags=TAGS,
        contact=CONTACT,
        license_info=LICENSE,
        lifespan=_lifespan(dependencies),
        generate_unique_id_function=_operation_id,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.dependencies = dependencies
    routers = (
        create.create_router(dependencies),
        payment_list.router,
        read.router,
        act.router,
        events.router,
        payment_methods.reads,
        payment_methods.router,
        plans.reads,
        plans.router,
        subscribe.router,
        subscription_list.router,
        subscription_read.router,
        subscription_commands.router,
        subscription_events.router,
        test_clocks.reads,
        test_clocks.router,
        webhook_router(dependencies),
        health.router,
        pages.router,
    )
    for router in routers:
        app.include_router(router)
    app.router.routes.extend(page.ROUTES)
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    errors = ErrorHandlers(dependencies.metrics, _methods(routes))
    errors.install(app)
    context = partial(
        RequestContext,
        metrics=dependencies.metrics,
        errors=errors,
        new_id=dependencies.new_id,
    )
    app.add_middleware(context)
    return FastPath(app, (route for route in routes if isinstance(route, DirectRoute)), errors, context)


class IngestApp(FastAPI):
    """The application with its own OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi())
        return self.openapi_schema


def _operation_id(route: APIRoute) -> str:
    """Clients are generated from these names."""
    return route.name


def _methods(routes: list[APIRoute]) -> dict[str, list[str]]:
    methods: dict[str, list[str]] = {}
    for route in routes:
        methods.setdefault(route.path, []).extend(sorted(route.methods or ()))
    return methods


def _lifespan(dependencies: Dependencies) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(dependencies.reads.close)
            started: list[_Part] = [
                dependencies.instance,
                *dependencies.verifiers.values(),
                dependencies.writer,
                dependencies.replies,
                dependencies.changes,
                dependencies.subscription_changes,
                dependencies.admission.keys,
                dependencies.selector.health,
            ]
            for part in started:
                stack.push_async_callback(part.close)
                await part.start()
            yield

    return lifespan
