"""The application: the analytics API for programs, report pages for people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from admin.analytics_api import analytics_api
from admin.pages import Pages
from admin.problems import on_http_error, on_problem, read_problem
from admin.report_access import ReportAccess
from admin.report_store import ReportStore
from admin.sessions import Sessions
from runtime.http.problems import ProblemError

DESCRIPTION: Final = (
    "Named reports over ClickHouse, for programs; `/reports` shows the same to people. Keys are those of the "
    "REST API, with the scope `analytics:read` (reports on the client's own payments) or `analytics:all`."
)


def create_app(access: ReportAccess, sessions: Sessions, store: ReportStore, engine: AsyncEngine) -> FastAPI:
    """The application. Stopping it closes the store and the engine."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await access.keys.start()
        yield
        await access.keys.close()
        await store.close()
        await engine.dispose()

    app = FastAPI(
        title="Cinema billing: analytics",
        version="1",
        description=DESCRIPTION,
        servers=[{"url": "/", "description": "The host that serves this document"}],
        openapi_tags=[{"name": "analytics", "description": "Named reports over ClickHouse"}],
        contact={"name": "The operators of the billing service"},
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(analytics_api(access, store))
    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http_error)

    async def live(_request: Request) -> Response:
        return Response("ok", media_type="text/plain")

    async def ready(request: Request) -> Response:
        try:
            await store.ping()
        except ProblemError as error:
            return await on_problem(request, error)
        return Response("ok", media_type="text/plain")

    app.router.routes += [
        Route("/livez", live),
        Route("/readyz", ready),
        Route("/problems/{code}", read_problem),
        *Pages(access, sessions, store).routes(),
    ]
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    return app
