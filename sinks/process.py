"""The process of a sink: its connections and its end."""

import asyncio
import random
from typing import Any, Final, TypeVar

import structlog
import uvloop

from runtime.kafka.clients import KAFKA_ERRORS, Consumer, new_consumer
from runtime.metrics import served
from runtime.postgres import create_engine
from runtime.process import BackgroundTasks, beat, close_all, on_stop
from runtime.retry import Retry, RetryStopped
from runtime.settings import SinkSettings
from sinks.assignment import Assignment
from sinks.dead_letters import KafkaDeadLetters
from sinks.delivery import Delivery, SinkSpec
from sinks.metrics import Metrics
from sinks.parking import PostgresParking
from sinks.positions import PostgresPositions

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: After this a dead sink is noticed and its partitions are reassigned.
SESSION_TIMEOUT_MS: Final = 10_000
HEARTBEAT_MS: Final = 2_000
#: How long the group waits for its members during a rebalance.
REBALANCE_TIMEOUT_MS: Final = 10_000
#: Longer than any outage of a destination: a sink that waits longer than this leaves the group.
MAX_POLL_INTERVAL_MS: Final = 7 * 24 * 3_600_000
REQUEST_TIMEOUT_MS: Final = 10_000
#: A fetch waits for this many bytes, or this long: one fetch per event would cost more than the event.
FETCH_MIN_BYTES: Final = 64 * 1024
FETCH_MAX_WAIT_MS: Final = 100
#: One loop reads and writes positions.
POOL_SIZE: Final = 1


def run_sink(settings: SinkSettings, spec: SinkSpec[T]) -> None:
    """Run a sink until SIGTERM or SIGINT; the current batch is finished first."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, spec))


async def serve(settings: SinkSettings, spec: SinkSpec[T]) -> None:
    """The same inside a running loop."""
    metrics = Metrics(spec.consumer)
    with served(metrics.registry, settings):
        await _deliver(settings, spec, metrics)


async def _deliver(settings: SinkSettings, spec: SinkSpec[T], metrics: Metrics) -> None:
    engine = create_engine(settings, pool_size=POOL_SIZE)
    consumer = new_consumer(settings, **consumer_options(spec.consumer))
    dead_letters = KafkaDeadLetters(settings, spec.consumer)
    assignment = Assignment(consumer, PostgresPositions(engine, spec.consumer), metrics)
    parking = PostgresParking(engine, settings, spec.consumer)
    delivery = Delivery(spec, consumer, assignment, dead_letters, parking, metrics, random=random.SystemRandom())
    stopped = asyncio.Event()

    def stop() -> None:
        log.info("stopping", consumer=spec.consumer)
        stopped.set()
        delivery.stop()

    on_stop(stop)
    background = BackgroundTasks()
    background.spawn(beat(settings.heartbeat_file, delivery.works))
    background.spawn(parking.run())
    try:
        consumer.subscribe(spec.topics, listener=assignment)
        if await _start(consumer, stopped):
            log.info("started", consumer=spec.consumer, topics=spec.topics)
            await delivery.run()
    finally:
        await background.cancel()
        await close_all(consumer.stop, spec.destination.close, dead_letters.close, engine.dispose)
        log.info("stopped", consumer=spec.consumer)


def consumer_options(group: str) -> dict[str, Any]:
    """Options of a sink's consumer. The group assigns; Postgres holds the position."""
    return {
        "group_id": group,
        # Where a fetch starts before the first seek; records from there are not accepted.
        "auto_offset_reset": "earliest",
        "session_timeout_ms": SESSION_TIMEOUT_MS,
        "heartbeat_interval_ms": HEARTBEAT_MS,
        "rebalance_timeout_ms": REBALANCE_TIMEOUT_MS,
        "max_poll_interval_ms": MAX_POLL_INTERVAL_MS,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "fetch_min_bytes": FETCH_MIN_BYTES,
        "fetch_max_wait_ms": FETCH_MAX_WAIT_MS,
    }


async def _start(consumer: Consumer, stopped: asyncio.Event) -> bool:
    """Connect, retrying until Kafka answers; ``False`` when stopped before."""
    try:
        await Retry("connect consumer", KAFKA_ERRORS, stop=stopped).run(consumer.start)
    except RetryStopped:
        return False
    return not stopped.is_set()
