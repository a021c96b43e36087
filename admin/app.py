"""The application: the analytics API and clearing's for programs, report pages for people."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from admin import clearing
from admin.access import Access
from admin.analytics_api import analytics_api
from admin.approvals.pages import approval_pages
from admin.bulk.pages import bulk_pages
from admin.clearing import AT_ONCE, Clearing
from admin.clearing.pages import clearing_pages
from admin.customers.pages import customer_pages
from admin.keys.pages import key_pages
from admin.language import read_catalogues
from admin.letters.pages import letter_pages
from admin.monitor import alert_pages, monitor_pages
from admin.payments.pages import payment_pages
from admin.payments.sending import SOURCE
from admin.people.accounts import Accounts
from admin.people.oidc.pages import oidc_pages
from admin.people.oidc.provider import OidcProvider
from admin.people.oidc.sign_in import OidcSignIn
from admin.people.pages import people_pages
from admin.people.passkeys.ceremony import site_of
from admin.people.passkeys.pages import passkey_pages
from admin.people.passkeys.passkeys import Passkeys
from admin.people.preferences import preference_pages
from admin.problems import on_http_error, on_invalid_parameters, on_problem, read_problem
from admin.providers.pages import provider_pages
from admin.report_store import ReportStore
from admin.reports import report_pages
from admin.search.pages import search_pages
from admin.subscriptions.pages import subscription_pages
from admin.trail.pages import trail_pages
from admin.trail.trail import Trail
from backoffice.sender import Sender
from monitoring.alerts import Alertmanager
from monitoring.measures import Prometheus
from monitoring.recent import Recent
from providers import registry
from runtime.http.problems import ProblemError
from runtime.postgres import answers
from runtime.process import BackgroundTasks
from runtime.settings import AdminSettings

DESCRIPTION: Final = (
    "Named reports over ClickHouse, for programs; `/reports` shows the same to people on the staff. Keys are those of the "
    "REST API, with the scope `analytics:read` (reports on the client's own payments) or `analytics:all`. "
    "Clearing: `clearing:read`, `clearing:write` to decide, `clearing:close` to close days of the books."
)


def create_app(
    settings: AdminSettings,
    access: Access,
    accounts: Accounts,
    trail: Trail,
    store: ReportStore,
    engine: AsyncEngine,
    recent: Recent,
) -> FastAPI:
    """The application. Stopping it closes the store and the engine. ``recent`` is kept up to date while it runs."""
    read_catalogues()
    sender = Sender(settings, SOURCE)
    alertmanager = Alertmanager(settings.alertmanager_url) if settings.alertmanager_url else None
    prometheus = Prometheus(settings.prometheus_url) if settings.prometheus_url else None
    provider = OidcProvider(settings) if settings.admin_oidc_issuer else None
    site = site_of(settings.admin_url)
    passkeys = None if site is None else Passkeys(engine, accounts, site)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await access.keys.start()
        tasks = BackgroundTasks()
        tasks.spawn(recent.run())
        yield
        await tasks.cancel()
        await recent.close()
        await sender.close()
        if provider is not None:
            await provider.close()
        await access.keys.close()
        await store.close()
        await engine.dispose()

    app = FastAPI(
        title="Cinema billing: analytics and clearing",
        version="1",
        description=DESCRIPTION,
        servers=[{"url": "/", "description": "The host that serves this document"}],
        openapi_tags=[
            {"name": "analytics", "description": "Named reports over ClickHouse"},
            {"name": "clearing", "description": "Every day against every provider's statement; the books' days"},
        ],
        contact={"name": "The operators of the billing service"},
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.clearing = Clearing(access, settings, registry.read_settlements(), CapacityLimiter(AT_ONCE))
    app.state.accounts, app.state.trail = accounts, trail
    app.state.business_zone = ZoneInfo(settings.business_zone)
    pages = (
        people_pages(accounts, provider, passkeys),
        preference_pages(accounts),
        passkey_pages(passkeys),
        oidc_pages(provider, OidcSignIn(engine, accounts, settings)),
        search_pages(engine),
        payment_pages(settings, engine, sender),
        subscription_pages(settings, engine, sender),
        customer_pages(engine),
        approval_pages(settings, engine, sender),
        bulk_pages(engine),
        *clearing_pages(engine),
        report_pages(store),
        letter_pages(settings),
        provider_pages(settings),
        key_pages(settings, engine),
        trail_pages(trail),
        monitor_pages(recent, alertmanager, prometheus),
        alert_pages(alertmanager),
    )
    for router in (analytics_api(access, store), *clearing.ROUTERS, *pages):
        app.include_router(router)
    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid_parameters)
    app.add_exception_handler(HTTPException, on_http_error)

    async def live(_request: Request) -> Response:
        return Response("ok", media_type="text/plain")

    async def ready(_request: Request) -> Response:
        is_ready, reports = await asyncio.gather(answers(engine), store.answers())
        reasons = [] if is_ready else ["Postgres does not answer"]
        if not reports:
            # Payments, approvals and clearing work all the same: no load balancer should leave the process for it.
            reasons.append("ClickHouse does not answer: reports cannot be shown")
        return JSONResponse({"ready": is_ready, "reasons": reasons}, 200 if is_ready else 503)

    app.router.routes += [
        Route("/livez", live),
        Route("/readyz", ready),
        Route("/problems/{code}", read_problem),
    ]
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    return app
