"""Sending a dead letter's message to its topic again."""

from typing import Self

from backoffice.dead_letters.letters import Letter
from billing.messages.topics import DEAD_LETTERS, TOPICS
from runtime.kafka.options import producer_options
from runtime.settings import Settings


class NotReplayable(Exception):
    """The letter does not say which topic of ours the message came from."""


class Replayer:
    """Produces messages as they were. ``async with`` connects; ``send`` returns once every replica has the message."""

    def __init__(self, settings: Settings) -> None:
        from aiokafka import AIOKafkaProducer

        self._producer = AIOKafkaProducer(**producer_options(settings))

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(self, letter: Letter) -> str:
        """The original bytes, key and headers to the original topic; returns its new topic/partition/offset.

        The key finds the partition, as it did before; without one it is the partition it came from.
        """
        topic = letter.place.get("topic", "")
        if topic not in {known.name for known in TOPICS} or topic == DEAD_LETTERS.name:
            raise NotReplayable(f"dead letter {letter.id} came from {topic or 'nowhere known'}, no topic of ours")
        partition = letter.place.get("partition", "")
        sent = await self._producer.send_and_wait(
            topic,
            letter.value,
            key=letter.key,
            headers=letter.headers,
            partition=int(partition) if letter.key is None and partition.isdecimal() else None,
        )
        return f"{sent.topic}/{sent.partition}/{sent.offset}"
