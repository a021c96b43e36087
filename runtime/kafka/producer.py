"""The producer: aiokafka's, mended where an outage of the brokers stops it for good or makes it spin."""

import asyncio
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.producer.transaction_manager import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, PidAndEpoch

log = structlog.get_logger(__name__)

# aiokafka has no hooks for any of this: its version is locked, and tests/integration/runtime/test_producer.py fails where
# what is used here changes.


class Producer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka has no types
    """An idempotent producer that goes on after an outage.

    aiokafka numbers a batch when it takes it from its queue, also one that it gives up there because its partition had no
    leader for the timeout of a request. The broker then misses a number and refuses every later batch of the partition,
    for as long as the process runs (aio-libs/aiokafka#1017). So this one asks for a new id after any batch that
    failed, and counts from the start. A batch that is sent again keeps the id and the number that it had.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        pace(self.client)
        batches, sender = self._message_accumulator, self._sender
        append, ask_for_id = batches._append_batch, sender._do_init_pid  # noqa: SLF001

        def append_watched(builder: Any, place: Any) -> Any:
            batch = append(builder, place)
            batch.future.add_done_callback(self._count_anew_after_failure)
            return batch

        async def ask_for_id_again(node: int) -> bool:
            try:
                answered: bool = await ask_for_id(node)
            except KafkaError as error:
                if sender.sender_task is None:  # not started yet: start() raises the error
                    raise
                log.warning("the producer got no id and asks again", error=repr(error))
                await asyncio.sleep(sender._retry_backoff)  # noqa: SLF001
                return False
            return answered

        batches._append_batch, sender._do_init_pid = append_watched, ask_for_id_again  # noqa: SLF001

    def _count_anew_after_failure(self, batch: "asyncio.Future[Any]") -> None:
        if batch.cancelled() or (error := batch.exception()) is None:
            return
        ids = self._txn_manager
        if ids is None or not ids.has_pid():  # without numbers, or asked for already
            return
        log.warning("messages were not stored: the producer gets a new id", error=repr(error), id=ids.producer_id)
        # aiokafka asks for an id before its next request where there is none, and takes the number of a batch from here.
        ids._pid_and_epoch = PidAndEpoch(NO_PRODUCER_ID, NO_PRODUCER_EPOCH)  # noqa: SLF001
        ids._pid_waiter = asyncio.get_running_loop().create_future()  # noqa: SLF001
        ids._sequence_numbers.clear()  # noqa: SLF001


def pace(client: AIOKafkaClient) -> None:
    """Let a client wait before it asks again for the cluster's layout where no broker answered or a partition has no
    leader. While messages wait for one, aiokafka asks in a loop without a pause: thousands of requests, and of log lines,
    a second."""
    update, pause_s = client._metadata_update, client._retry_backoff  # noqa: SLF001

    async def update_or_wait(cluster: Any, topics: Any) -> bool:
        updated: bool = await update(cluster, topics)
        if not updated or any(_lacks_a_leader(cluster, topic) for topic in topics or ()):
            await asyncio.sleep(pause_s)
        return updated

    client._metadata_update = update_or_wait  # noqa: SLF001


def _lacks_a_leader(cluster: Any, topic: str) -> bool:
    partitions = cluster.partitions_for_topic(topic)
    return bool(partitions) and cluster.available_partitions_for_topic(topic) != partitions
