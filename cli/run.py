"""``billing run NAME``: one process of the service in the foreground, and ``billing migrate``.

A process loads only its own code, so its module is imported when it starts.
"""

import asyncio
import logging

import typer

from runtime import gc
from runtime.logging import setup
from runtime.settings import Settings

app = typer.Typer(help="Run one process of the service in the foreground.", no_args_is_help=True)


@app.command()
def ingest() -> None:
    """The REST API."""
    from ingest_api.server import run

    run(_checked_settings())


@app.command()
def worker() -> None:
    """The Faust agents: payments, provider calls, callbacks."""
    from streams.worker import run

    run(_checked_settings())


@app.command()
def signals() -> None:
    """The RabbitMQ sink."""
    from sinks.rabbitmq.worker import run

    run(_checked_settings())


@app.command()
def analytics() -> None:
    """The ClickHouse sink."""
    from sinks.clickhouse.worker import run

    run(_checked_settings())


@app.command()
def admin() -> None:
    """Reports in a browser, and the analytics API."""
    from admin.server import run

    run(_checked_settings())


@app.command()
def sandbox() -> None:
    """The sandbox that imitates the payment providers."""
    from providers.sandbox.server import run

    run(_settings())


@app.command()
def clickhouse() -> None:
    """ClickHouse's engine over HTTP, for the local stack."""
    from deploy.local.clickhouse_server import run

    settings = _settings()
    path = settings.state_dir / "clickhouse"
    path.mkdir(parents=True, exist_ok=True)
    run(path, settings.local_clickhouse_port, "billing", settings.local_clickhouse_password.get_secret_value())


def migrate() -> None:
    """Migrate Postgres, Kafka, RabbitMQ and ClickHouse to this release."""
    import structlog

    from backoffice.migration import migrate as migrate_stores

    for topic, problem in asyncio.run(migrate_stores(_settings())).items():
        structlog.get_logger(__name__).warning("topic does not fit", topic=topic, problem=problem)


def _settings() -> Settings:
    settings = Settings()
    setup.configure(logging.getLevelNamesMapping()[settings.log_level.upper()])
    gc.freeze_startup_objects()
    return settings


def _checked_settings() -> Settings:
    """The settings; the process exits where the Postgres schema is older than this release needs."""
    import structlog

    from runtime.postgres import EXIT_SCHEMA_MISMATCH, SchemaMismatch
    from storage.schema import require_schema

    settings = _settings()
    try:
        asyncio.run(require_schema(settings))
    except SchemaMismatch as error:
        structlog.get_logger(__name__).critical("schema mismatch", reason=str(error))
        raise typer.Exit(EXIT_SCHEMA_MISMATCH) from error
    return settings
