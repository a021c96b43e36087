"""The application: the analytics API for machines, the reports' pages for people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from admin.analytics_api import analytics_api, as_problem
from admin.pages import Pages
from admin.problems import ProblemError, answered, read_problem
from admin.report_access import Readers
from admin.report_store import Warehouse
from admin.sessions import Sessions

DESCRIPTION: Final = (
    "The named reports over ClickHouse, for machines; `/reports` shows the same to people. Keys are those of the "
    "REST API, with the scope `analytics:read`."
)


def create_app(readers: Readers, sessions: Sessions, warehouse: Warehouse, engine: AsyncEngine) -> FastAPI:
    """Everything, made of its parts; stopping it disconnects them."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await warehouse.close()
        await engine.dispose()

    app = FastAPI(
        title="Cinema billing: analytics",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(analytics_api(readers, warehouse))
    app.add_exception_handler(ProblemError, as_problem)

    async def live(_request: Request) -> Response:
        return Response("ok", media_type="text/plain")

    async def ready(_request: Request) -> Response:
        try:
            await warehouse.ping()
        except ProblemError as error:
            return answered(error)
        return Response("ok", media_type="text/plain")

    app.router.routes += [
        Route("/livez", live),
        Route("/readyz", ready),
        Route("/problems/{code}", read_problem),
        *Pages(readers, sessions, warehouse).routes(),
    ]
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    return app
