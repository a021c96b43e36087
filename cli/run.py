"""``billing run NAME``: one process of the service in the foreground, and ``billing migrate``.

A process loads only its own code, so its module is imported when it starts.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from runtime import gc
from runtime.logging import setup
from runtime.settings import Settings

app = typer.Typer(help="Run one process of the service in the foreground.", no_args_is_help=True)


@app.command()
def ingest() -> None:
    """The REST API."""
    from ingest_api.server import run

    _run(run)


@app.command()
def worker() -> None:
    """The Faust agents: payments, provider calls, callbacks."""
    from streams.worker import run

    _run(run)


@app.command()
def signals() -> None:
    """The RabbitMQ sink."""
    from sinks.rabbitmq.worker import run

    _run(run)


@app.command()
def analytics() -> None:
    """The ClickHouse sink."""
    from sinks.clickhouse.worker import run

    _run(run)


@app.command()
def scheduler() -> None:
    """The jobs by the clock: renewals of subscriptions, the daily record, test clocks."""
    from reconciliation.process import run

    _run(run)


@app.command()
def monitor() -> None:
    """The numbers of the books, for Prometheus."""
    from monitoring.process import run

    _run(run)


@app.command()
def admin() -> None:
    """Reports in a browser, and the analytics API."""
    from admin.server import run

    _run(run)


@app.command()
def sandbox() -> None:
    """The sandbox that imitates the payment providers."""
    from providers.sandbox.server import run

    with _in_json_lines():
        run(_settings())


@app.command()
def clickhouse() -> None:
    """ClickHouse's engine over HTTP, for the local stack."""
    from deploy.local.clickhouse_server import run

    with _in_json_lines():
        settings = _settings()
        path = settings.state_dir / "clickhouse"
        path.mkdir(parents=True, exist_ok=True)
        run(path, settings.local_clickhouse_port, "billing", settings.local_clickhouse_password.get_secret_value())


def migrate() -> None:
    """Migrate Postgres, Kafka, RabbitMQ and ClickHouse to this release. Those of the environment, else of the running
    stack."""
    import structlog

    from backoffice.migration import migrate as migrate_stores

    with _in_json_lines():
        _find_stack()
        for topic, problem in asyncio.run(migrate_stores(_settings())).items():
            structlog.get_logger(__name__).warning("topic does not fit", topic=topic, problem=problem)


def _find_stack() -> None:
    """Take the addresses and secrets of the running stack into the environment, which has precedence: providers' settings
    are read from there too."""
    from deploy.local.connect import environment_of_running_stack

    os.environ |= environment_of_running_stack()


def _settings() -> Settings:
    settings = Settings()
    setup.configure(logging.getLevelNamesMapping()[settings.log_level.upper()])
    gc.freeze_startup_objects()
    return settings


def _run(serve: Callable[[Settings], None]) -> None:
    """Run a process; it ends at once where the Postgres schema is older than this release needs."""
    from runtime.process import exit_codes
    from storage.schema import require_schema

    with _in_json_lines():
        _find_stack()
        settings = _settings()
        with exit_codes():
            asyncio.run(require_schema(settings))
            serve(settings)


@contextmanager
def _in_json_lines() -> Iterator[None]:
    """All that a process writes is log lines, the error that ends it included."""
    setup.configure()
    try:
        yield
    except Exception as error:
        import structlog

        from cli.failures import advice_on
        from cli.output import unavailability
        from runtime.process import EXIT_CONFIG

        log = structlog.get_logger(__name__)
        if (advice := advice_on(error)) is not None:
            log.critical("cannot run", reason=advice)
            raise SystemExit(EXIT_CONFIG) from None
        if (unavailable := unavailability(error)) is not None:
            log.critical("cannot run", reason=unavailable)
        else:
            log.critical("failed", exc_info=error)
        raise SystemExit(1) from None
