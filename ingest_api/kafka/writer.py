"""The producer of commands and callbacks: a request is accepted only once its message is stored."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Final

import structlog
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    RequestTimedOutError,
)

from billing.messages.topics import CALLBACKS, INBOX
from ingest_api.metrics import Metrics
from ingest_api.problems import RETRY_AFTER_S, Problem, ProblemError
from runtime.kafka.clients import KAFKA_ERRORS, Producer, new_producer
from runtime.retry import Retry
from runtime.settings import IngestSettings

log = structlog.get_logger(__name__)

RECONNECT_MAX_S: Final = 2.0

#: Seconds to send buffered messages at shutdown. Their requests were not answered with success.
CLOSE_TIMEOUT_S: Final = 5.0

#: Seconds that the broker has to answer a readiness probe.
PROBE_TIMEOUT_S: Final = 1.0

#: The producer recovers from these by itself.
_PASSING: Final = (
    KafkaTimeoutError,
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
    LeaderNotAvailableError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
)


class NotStored(ProblemError):
    """The broker did not acknowledge in time: 503. The message may still arrive: it has to be recognised as a
    repeat."""

    def __init__(self, cause: str) -> None:
        log.warning("Kafka did not acknowledge", error=cause)
        super().__init__(
            Problem.UNAVAILABLE,
            "the request could not be stored and was not accepted",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )


class KafkaWriter:
    """Connects, and reconnects, in the background.

    An idempotent producer retries a batch without end, and does not recover from every error (what ours recovers from:
    :class:`~runtime.kafka.producer.Producer`). A deadline for each message bounds the first; a new producer resolves the
    second.

    No linger: while a request to the broker is in progress, messages collect for the next one. See ADR 0013.
    """

    def __init__(self, settings: IngestSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._producer: Producer | None = None
        self._connecting: asyncio.Task[None] | None = None

    async def unready(self) -> str | None:
        """Why nothing can be stored now; ``None`` when the broker answers and the topics exist."""
        if self._producer is None:
            return "not connected to Kafka"
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                answered = await self._producer.client.force_metadata_update()
        except (TimeoutError, KafkaError, OSError):
            answered = False
        return None if answered else "Kafka does not answer"

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        self._connect()

    async def close(self) -> None:
        """Send buffered messages, then disconnect."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await _stop(producer)

    async def store(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Return once every replica in sync has the message; :class:`NotStored` otherwise."""
        producer = self._producer
        if producer is None:
            raise NotStored("not connected to Kafka")
        started = perf_counter()
        try:
            async with asyncio.timeout(self._settings.ingest_ack_timeout_s):
                await producer.send_and_wait(topic, value, key=key, headers=list(headers))
        except (TimeoutError, OSError, *_PASSING) as error:
            self._metrics.unacknowledged(topic).inc()
            raise NotStored(repr(error)) from error
        except KafkaError as error:
            self._metrics.unacknowledged(topic).inc()
            self._replace(producer, error)
            raise NotStored(repr(error)) from error
        self._metrics.ack_seconds(topic).observe(perf_counter() - started)

    def _replace(self, failed: Producer, error: KafkaError) -> None:
        if self._producer is failed:
            log.error("the Kafka producer failed and is replaced", error=repr(error))
            self._producer = None
            self._connect(failed)

    def _connect(self, failed: Producer | None = None) -> None:
        self._connecting = asyncio.create_task(self._connected(failed), name="kafka-writer-connect")

    async def _connected(self, failed: Producer | None) -> None:
        if failed is not None:
            await _stop(failed)
        self._producer = await Retry("connect producer", KAFKA_ERRORS, pause_max_s=RECONNECT_MAX_S).run(self._started)
        log.info("connected to Kafka")

    async def _started(self) -> Producer:
        producer = new_producer(self._settings, client_id="billing-ingest")
        try:
            await producer.start()
            for topic in (INBOX, CALLBACKS):
                await producer.partitions_for(topic.name)
        except BaseException:
            await _stop(producer)
            raise
        return producer


async def _stop(producer: Producer) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await producer.stop()
    except (TimeoutError, KafkaError, OSError) as error:
        log.warning("the Kafka producer did not close cleanly", error=repr(error))
