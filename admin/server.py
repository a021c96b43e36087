"""The admin process: pages for people, the analytics API, clearing. It writes no payment: what people
decide about one goes to the payments agent as a command."""

import uvicorn
from starlette.types import ASGIApp

from admin.access import Access
from admin.app import create_app
from admin.metrics import Counting, Metrics
from admin.people.accounts import Accounts
from admin.people.vault import Vault
from admin.problems import refuse_connection
from admin.report_store import ReportStore
from admin.trail.trail import Trail
from monitoring.books import BookReader
from monitoring.ends import KafkaEnds
from monitoring.recent import Recent
from runtime.clock import utc_now
from runtime.http.connections import Bounds, connection_limit
from runtime.http.server import http_config, serve_http
from runtime.metrics import served
from runtime.postgres import create_engine
from runtime.settings import AdminSettings
from storage.access.key_ring import KeyRing, PostgresKeyStore


def run(settings: AdminSettings) -> None:
    """Serve on ``settings.admin_host:admin_port`` until SIGTERM or SIGINT."""
    engine = create_engine(settings)
    keys = KeyRing(settings.api_keys, PostgresKeyStore(engine), clock=utc_now, refresh_s=settings.api_keys_refresh_s)
    app = create_app(
        settings,
        Access(keys),
        Accounts(
            engine, settings.admin_session_s, with_password=settings.with_password, vault=Vault(settings.secret_keys)
        ),
        Trail(engine),
        ReportStore(settings.clickhouse_url),
        engine,
        Recent(engine, BookReader(KafkaEnds(settings))),
    )
    metrics = Metrics()
    with served(metrics.registry, settings):
        serve_http(uvicorn.Server(server_config(settings, Counting(app, metrics))))


def server_config(settings: AdminSettings, app: ASGIApp) -> uvicorn.Config:
    """The configuration of uvicorn, with bounds for every connection."""
    bounds = Bounds(
        head_s=settings.admin_head_timeout_s,
        body_s=settings.admin_body_timeout_s,
        connections=connection_limit(settings.admin_connections),
        refusal=refuse_connection,
    )
    return http_config(app, settings.admin_host, settings.admin_port, settings.ingest_trusted_proxies, bounds)
