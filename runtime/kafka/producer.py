"""The producer: aiokafka's, mended where an outage of the broker stops it for good or makes it spin."""

import asyncio
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.producer.transaction_manager import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, PidAndEpoch

log = structlog.get_logger(__name__)


class Producer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka has no types
    """An idempotent producer that goes on after an outage.

    aiokafka numbers a batch when it takes it from its queue, also one that it gives up there because its partition had no
    leader for the timeout of a request. The broker then misses a number and refuses every later batch of the partition,
    for as long as the process runs (aio-libs/aiokafka#1017). So this one asks for a new id after any message that
    failed, and counts from the start. A batch that is sent again keeps the id and the number that it had.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        pace(self.client)

    async def send(self, *message: Any, **parts: Any) -> "asyncio.Future[Any]":
        """A future of the acknowledgement."""
        future: asyncio.Future[Any] = await super().send(*message, **parts)
        future.add_done_callback(self._count_anew_after_failure)
        return future

    def _count_anew_after_failure(self, future: "asyncio.Future[Any]") -> None:
        if future.cancelled() or (error := future.exception()) is None:
            return
        ids = self._txn_manager
        if ids is None or not ids.has_pid():  # the first message of a batch asks for all of it
            return
        log.warning("a message was not stored: the producer gets a new id", error=repr(error), id=ids.producer_id)
        # aiokafka asks for an id before its next request where there is none, and takes the number of a batch from here.
        ids._pid_and_epoch = PidAndEpoch(NO_PRODUCER_ID, NO_PRODUCER_EPOCH)  # noqa: SLF001
        ids._pid_waiter = asyncio.get_running_loop().create_future()  # noqa: SLF001
        ids._sequence_numbers.clear()  # noqa: SLF001


def pace(client: AIOKafkaClient) -> None:
    """Let a client wait before it asks again for the cluster's layout where no broker answered. While messages wait for a
    leader, aiokafka asks in a loop without a pause: thousands of connections, and of log lines, a second."""
    update, pause_s = client._metadata_update, client._retry_backoff  # noqa: SLF001

    async def update_or_wait(cluster: Any, topics: Any) -> bool:
        updated: bool = await update(cluster, topics)
        if not updated:
            await asyncio.sleep(pause_s)
        return updated

    client._metadata_update = update_or_wait  # noqa: SLF001
