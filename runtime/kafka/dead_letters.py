"""Dead letters: messages that can never be processed, kept in ``billing.dead-letters`` with their cause.

A letter is the original key, value and headers, preceded by headers of ours: cause, consumer, topic, partition, offset.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import structlog
from prometheus_client import Counter

from billing.messages.topics import DEAD_LETTERS
from runtime.kafka.clients import KAFKA_ERRORS, Producer
from runtime.kafka.reader import TopicReader
from runtime.retry import Retry
from runtime.series import Series
from runtime.settings import KafkaSettings

log = structlog.get_logger(__name__)

#: Our headers, in the order in which they are written.
ORIGIN_HEADERS: Final = ("cause", "consumer", "topic", "partition", "offset")
MAX_CAUSE_CHARS: Final = 2000

WRITTEN: Final = Counter(
    "dead_letters",
    "Messages written to the dead letters, by consumer and class of the error.",
    ("consumer", "cause"),
    registry=None,
)
#: Consumers and error classes are names from the code; a mistake must not make them more.
_WRITTEN: Final = Series(WRITTEN, 20, 40)


class Message(Protocol):
    """A Kafka message as a consumer received it."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Any: ...


async def write(producer: Producer, consumer: str, topic: str, message: Message, cause: Exception) -> tuple[int, int]:
    """Return (partition, offset) in ``billing.dead-letters`` once every replica in sync has the letter; raises aiokafka's
    errors.

    A letter may be written twice after a crash: its origin (topic, partition, offset, consumer) tells that both are
    the same.
    """
    log.error(
        "dead letter",
        consumer=consumer,
        topic=topic,
        partition=message.partition,
        offset=message.offset,
        cause=repr(cause),
    )
    values = (
        cause_of(cause),
        consumer,
        topic,
        str(message.partition),
        str(message.offset),
    )
    added = [(name, value.encode(errors="replace")) for name, value in zip(ORIGIN_HEADERS, values, strict=True)]
    headers = [*added, *message.headers]
    stored = await producer.send_and_wait(DEAD_LETTERS.name, message.value, key=message.key, headers=headers)
    _WRITTEN(consumer, type(cause).__name__).inc()
    return stored.partition, stored.offset


def cause_of(error: Exception) -> str:
    """The cause as a letter has it: the error's class and text."""
    return f"{type(error).__name__}: {error}"[:MAX_CAUSE_CHARS]


class DeadLetterWriter:
    """:func:`write` on one producer, retried until the broker has the letter."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def write(self, consumer: str, topic: str, message: Message, cause: Exception) -> tuple[int, int]:
        """Return the letter's place, (partition, offset), once it is stored."""
        attempt = partial(write, self._producer, consumer, topic, message, cause)
        return await Retry("write dead letter", KAFKA_ERRORS).run(attempt)


class Letter(msgspec.Struct, frozen=True):
    """``partition`` and ``offset``: in ``billing.dead-letters``. ``origin_headers``: what the writer added, by name.
    ``headers``, ``key``, ``value``: the message's own, unchanged."""

    partition: int
    offset: int
    buried_at: datetime
    origin_headers: dict[str, str]
    headers: list[tuple[str, bytes]]
    key: bytes | None
    value: bytes

    @property
    def id(self) -> str:
        """PARTITION-OFFSET, as operators type it."""
        return f"{self.partition}-{self.offset}"

    @property
    def position(self) -> tuple[int, int]:
        """(partition, offset) in ``billing.dead-letters``."""
        return self.partition, self.offset

    @property
    def consumer(self) -> str:
        """Which consumer could not process the message."""
        return self.origin_headers.get("consumer", "?")

    @property
    def origin(self) -> str:
        """Position of the message in its own topic: topic/partition/offset."""
        return "/".join(self.origin_headers.get(name, "?") for name in ("topic", "partition", "offset"))


def parse(record: Any) -> Letter:
    """Parse a record of the topic. Of headers with the same name the writer's comes first, the message's own follow."""
    added: dict[str, str] = {}
    headers = list(record.headers)
    while headers and headers[0][0] in ORIGIN_HEADERS and headers[0][0] not in added:
        name, value = headers.pop(0)
        added[name] = (value or b"").decode(errors="replace")
    at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return Letter(record.partition, record.offset, at, added, headers, record.key, record.value or b"")


async def read_letters(settings: KafkaSettings) -> AsyncIterator[Letter]:
    """Every letter that the topic still holds, by partition and offset."""
    async with TopicReader.open(settings) as reader:
        for partition, bounds in (await reader.bounds(DEAD_LETTERS.name)).items():
            async for records in reader.read(DEAD_LETTERS.name, {partition: bounds}):
                for record in records:
                    yield parse(record)


async def letter_at(settings: KafkaSettings, partition: int, offset: int) -> Letter | None:
    """One letter; ``None`` if the topic does not hold it, or not any more."""
    async with TopicReader.open(settings) as reader:
        first, end = (await reader.bounds(DEAD_LETTERS.name)).get(partition, (0, 0))
        if not first <= offset < end:
            return None
        async for records in reader.read(DEAD_LETTERS.name, {partition: (offset, offset + 1)}):
            for record in records:
                return parse(record)
    return None
