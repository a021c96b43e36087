"""The ingest process."""

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

from billing.messages import PaymentChanged
from billing.messages.subscription_events import SubscriptionChanged
from billing.messages.topics import EVENTS, SUBSCRIPTION_EVENTS
from ingest_api.app import create_app
from ingest_api.auth.admission import Admission, RateLimits
from ingest_api.dependencies import Dependencies
from ingest_api.edge.idempotency import RecentKeys
from ingest_api.edge.uvicorn_server import IngestServer, server_config
from ingest_api.instance import Instance
from ingest_api.kafka.change_streams import ChangeStreams, StreamPlaces
from ingest_api.kafka.replies import ReplyListener, WaitingRequests
from ingest_api.kafka.writer import KafkaWriter
from ingest_api.metrics import Metrics
from ingest_api.payment_methods.postgres_methods import PostgresMethods
from ingest_api.payments.postgres_reads import PostgresReads
from ingest_api.routing.provider_health import ProviderHealth
from ingest_api.routing.selection import ProviderSelector, read_rules
from ingest_api.subscriptions.postgres_subscriptions import PostgresPlans, PostgresSubscriptions, PostgresTestClocks
from providers import registry
from providers.startup_check import require_no_real_provider
from runtime.http.server import serve_http
from runtime.metrics import served
from runtime.postgres import create_engine
from runtime.settings import IngestSettings
from storage.access.key_ring import KeyRing, PostgresKeyStore


def run(settings: IngestSettings) -> None:
    """Serve on ``settings.ingest_host:ingest_port`` until SIGTERM or SIGINT, then finish the accepted requests and exit
    with code 0."""
    serve(build_dependencies(settings))


def serve(dependencies: Dependencies) -> None:
    """Serve with these dependencies until a signal arrives."""
    # While no broker answers, aiokafka logs several lines an attempt; the writer and the listener log one.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    app = create_app(dependencies)
    config = server_config(dependencies, app, dependencies.settings.ingest_host, dependencies.settings.ingest_port)
    with served(dependencies.metrics.registry, dependencies.settings):
        serve_http(
            IngestServer(config, (dependencies.waiting, dependencies.changes, dependencies.subscription_changes))
        )


def build_dependencies(settings: IngestSettings) -> Dependencies:
    """The dependencies for the Kafka, the Postgres and the providers of ``settings``. Connects to nothing yet."""
    metrics = Metrics()
    waiting = WaitingRequests(metrics)
    engine = create_engine(settings)
    keys = KeyRing(
        settings.api_keys,
        PostgresKeyStore(engine),
        clock=_now,
        refresh_s=settings.api_keys_refresh_s,
        default_rate_per_s=settings.client_rate_per_s,
    )
    providers = registry.PLUGINS
    of_providers = registry.read_callback_settings()
    if settings.test_clocks:
        require_no_real_provider(of_providers)
    reads = PostgresReads(engine)
    rules = read_rules(settings.routes_file, providers)
    instance = Instance(settings, engine.begin)
    places = StreamPlaces(settings, metrics)
    return Dependencies(
        settings=settings,
        instance=instance,
        metrics=metrics,
        admission=Admission(keys, RateLimits(lambda: instance.processes)),
        writer=KafkaWriter(settings, metrics),
        replies=ReplyListener(settings, lambda: instance.slot, waiting, metrics),
        waiting=waiting,
        recent_keys=RecentKeys(),
        changes=ChangeStreams(settings, places, PaymentChanged, EVENTS),
        subscription_changes=ChangeStreams(settings, places, SubscriptionChanged, SUBSCRIPTION_EVENTS),
        reads=reads,
        methods=PostgresMethods(engine, _now),
        plans=PostgresPlans(engine),
        subscriptions=PostgresSubscriptions(engine),
        test_clocks=PostgresTestClocks(engine),
        providers=providers,
        verifiers=registry.build_verifiers(of_providers),
        sandboxes=frozenset(name for name, given in of_providers.items() if not given.takes_money),
        selector=ProviderSelector(rules, registry.read_capabilities(of_providers), ProviderHealth(reads)),
        clock=_now,
        new_id=_new_ids(),
    )


def _new_ids() -> Callable[[], str]:
    """Makes ids of 32 hex digits: random digits of this process, and a counter. Random ids would cost a system call
    each."""
    random, numbers = secrets.token_hex(12), count()
    return lambda: f"{random}{next(numbers):08x}"


def _now() -> datetime:
    return datetime.now(UTC)
