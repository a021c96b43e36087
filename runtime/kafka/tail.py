"""Following a topic from its end on: what was written before has nobody here who waits for it."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from billing.messages.topics import Topic
from runtime.settings import Settings

log = structlog.get_logger(__name__)

RECONNECT_FIRST_S: Final = 0.2
RECONNECT_MAX_S: Final = 2.0
#: Milliseconds a fetch may stay open at the broker when there is nothing to fetch.
POLL_MS: Final = 1000


class Follower(Protocol):
    """Who follows a topic."""

    @property
    def wanted(self) -> bool:
        """Whether to go on."""

    def choose(self, partitions: Sequence[int]) -> Sequence[int]:
        """Which of the topic's partitions to read."""

    def live(self, partitions: Sequence[int]) -> None:
        """From now on nothing is missed."""

    def lost(self) -> None:
        """From now on messages are missed, until :meth:`live` again."""

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """A message came."""


async def follow(settings: Settings, topic: Topic, follower: Follower) -> None:
    """Hand over what comes, as long as ``follower`` wants it. Connects again by itself when the broker was away."""
    delay = RECONNECT_FIRST_S
    while follower.wanted:
        was_live = False
        consumer = AIOKafkaConsumer(
            topic.name,  # for its metadata; _assign narrows it to the partitions that are read
            bootstrap_servers=settings.kafka_url,
            client_id="billing-ingest",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=POLL_MS,
        )
        try:
            await consumer.start()
            partitions = await _assign(consumer, topic, follower)
            log.info("following", topic=topic.name, partitions=len(partitions))
            was_live = True
            follower.live(partitions)
            while follower.wanted:
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        follower.take(record.key, record.value)
        except (KafkaError, OSError) as error:
            delay = RECONNECT_FIRST_S if was_live else min(delay * 2, RECONNECT_MAX_S)
            log.warning("not following", topic=topic.name, error=repr(error), retry_in_s=delay)
        finally:
            follower.lost()
            await consumer.stop()
        if follower.wanted:
            await asyncio.sleep(delay)


async def _assign(consumer: AIOKafkaConsumer, topic: Topic, follower: Follower) -> Sequence[int]:
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
