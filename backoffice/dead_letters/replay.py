"""Send the message of a dead letter to its topic again."""

from typing import Self

from backoffice.operators import ActionRefused
from billing.messages.topics import DEAD_LETTERS, TOPICS
from runtime.kafka.clients import new_producer
from runtime.kafka.dead_letters import Letter
from runtime.settings import KafkaSettings


class NotReplayable(ActionRefused):
    """The letter does not name a topic of ours that the message came from."""


class Replayer:
    """Produces messages unchanged. ``async with`` connects."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._producer = new_producer(settings)

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
        """Send the original bytes, key and headers to the original topic; returns the new topic/partition/offset once
        every replica in sync has the message. Raises :class:`NotReplayable`.

        The key determines the partition, as before; without a key the original partition is used.
        """
        topic = letter.origin_headers.get("topic", "")
        if topic not in {known.name for known in TOPICS} or topic == DEAD_LETTERS.name:
            raise NotReplayable(
                f"dead letter {letter.id} came from {topic or 'an unknown topic'}, which is not a topic of ours"
            )
        partition = letter.origin_headers.get("partition", "")
        sent = await self._producer.send_and_wait(
            topic,
            letter.value,
            key=letter.key,
            headers=letter.headers,
            partition=int(partition) if letter.key is None and partition.isdecimal() else None,
        )
        return f"{sent.topic}/{sent.partition}/{sent.offset}"
