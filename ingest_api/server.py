"""The ingest process."""

import secrets
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from types import FrameType
from typing import NoReturn

from billing.settings import Settings
from ingest_api.api_keys import ApiKeys
from ingest_api.app import create_app
from ingest_api.change_streams import ChangeStreams
from ingest_api.gate import Gate
from ingest_api.kafka_writer import KafkaWriter
from ingest_api.key_book import PostgresKeyBook
from ingest_api.logs import configure_logging
from ingest_api.metrics import Metrics
from ingest_api.parts import Parts
from ingest_api.provider_health import ProviderHealth
from ingest_api.rate_limits import RateLimits
from ingest_api.reads import PostgresReads
from ingest_api.recent_keys import RecentKeys
from ingest_api.replies import ReplyListener
from ingest_api.router import Router, read_rules
from ingest_api.serving import IngestServer, server_config
from ingest_api.waiting import WaitingRequests
from providers import registry
from storage.database import create_engine


def run(settings: Settings) -> None:
    """Serve on ``settings.ingest_host:ingest_port`` until SIGTERM or SIGINT, then finish what was accepted and leave
    with exit code 0."""
    configure_logging()
    serve(build_parts(settings))


def serve(parts: Parts) -> None:
    """Serve with these parts until a signal comes."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)  # uvicorn raises the signal again when it is done
    app = create_app(parts)
    config = server_config(parts, app, parts.settings.ingest_host, parts.settings.ingest_port)
    IngestServer(config, (parts.waiting, parts.changes)).run()


def build_parts(settings: Settings) -> Parts:
    """The parts on Kafka, Postgres and the providers of ``settings``. Opens nothing yet."""
    metrics = Metrics()
    waiting = WaitingRequests(metrics)
    engine = create_engine(settings)
    keys = ApiKeys(
        settings.api_keys,
        PostgresKeyBook(engine),
        clock=_now,
        refresh_s=settings.api_keys_refresh_s,
        default_rate_per_s=settings.client_rate_per_s,
    )
    providers = registry.build(settings)
    reads = PostgresReads(engine)
    rules = read_rules(settings.routes_file, providers)
    return Parts(
        settings=settings,
        metrics=metrics,
        gate=Gate(keys, RateLimits(settings.ingest_processes)),
        writer=KafkaWriter(settings, metrics),
        replies=ReplyListener(settings, waiting, metrics),
        waiting=waiting,
        recent_keys=RecentKeys(),
        changes=ChangeStreams(settings, metrics),
        reads=reads,
        providers=providers,
        router=Router(rules, providers, ProviderHealth(reads)),
        clock=_now,
        new_id=_new_ids(),
    )


def _new_ids() -> Callable[[], str]:
    """32 hex digits, never the same: what this process drew, and a number. Random ones cost a call to the system
    each."""
    drawn, numbers = secrets.token_hex(12), count()
    return lambda: f"{drawn}{next(numbers):08x}"


def _now() -> datetime:
    return datetime.now(UTC)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
