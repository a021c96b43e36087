"""Following a topic from its end. Older messages are skipped: no caller in this process can be waiting for them."""

from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from billing.messages.topics import Topic
from runtime.kafka.clients import KAFKA_ERRORS, Consumer, new_consumer
from runtime.retry import Retry
from runtime.settings import KafkaSettings

log = structlog.get_logger(__name__)

RECONNECT_MAX_S: Final = 2.0
#: Milliseconds that the broker may hold a fetch open when there are no messages.
POLL_MS: Final = 1000


class Follower(Protocol):
    """Receives the new messages of a topic."""

    @property
    def wanted(self) -> bool:
        """Whether to continue."""

    def choose(self, partitions: Sequence[int]) -> Sequence[int]:
        """Which of the topic's partitions to read."""

    def live(self, partitions: Sequence[int]) -> None:
        """Every message from now on is received."""

    def lost(self) -> None:
        """Messages are missed from now on, until the next :meth:`live`."""

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Receive a message."""


async def follow(
    settings: KafkaSettings, topic: Topic, follower: Follower, *, client_id: str = "billing-ingest"
) -> None:
    """Pass new messages to ``follower`` for as long as it is ``wanted``; reconnects after a failure. ``client_id``: what the
    brokers call it."""
    reconnect = Retry("follow topic", KAFKA_ERRORS, pause_max_s=RECONNECT_MAX_S)

    async def session() -> None:
        if not follower.wanted:
            return
        consumer = new_consumer(
            settings,
            topic.name,  # for its metadata; _assign narrows it to the partitions that are read
            client_id=client_id,
            group_id=None,
            auto_offset_reset="latest",
            fetch_max_wait_ms=POLL_MS,
        )
        try:
            await consumer.start()
            partitions = await _assign(consumer, topic, follower)
            log.info("following", topic=topic.name, partitions=len(partitions))
            reconnect.succeeded()
            follower.live(partitions)
            while follower.wanted:
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        follower.take(record.key, record.value)
        finally:
            follower.lost()
            await consumer.stop()

    await reconnect.run(session, topic=topic.name)


async def _assign(consumer: Consumer, topic: Topic, follower: Follower) -> Sequence[int]:
    partitions = consumer.partitions_for_topic(topic.name)
    if not partitions:
        raise UnknownTopicOrPartitionError(topic.name)
    chosen = follower.choose(sorted(partitions))
    own = [TopicPartition(topic.name, partition) for partition in chosen]
    consumer.unsubscribe()
    consumer.assign(own)
    await consumer.seek_to_end(*own)
    for partition in own:
        await consumer.position(partition)
    return chosen
