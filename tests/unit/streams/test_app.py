"""What the Faust app says of its partitions, and how its consumer ends."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from aiokafka import AIOKafkaConsumer

from streams.app import BillingApp, ConsumerInLoop


class Taken:
    """A consumer whose partition a rebalance has just taken: it says so as aiokafka does."""

    def highwater(self, _partition: Any) -> int | None:
        assert False, "Partition is not assigned"  # noqa: B011, PT015


def end(consumer: Any) -> int:
    return BillingApp._highwater(SimpleNamespace(consumer=consumer), "billing.payments.inbox", 0)  # type: ignore[arg-type]


def test_the_end_of_a_partition_that_was_just_taken_is_not_known_and_ends_no_worker() -> None:
    assert end(Taken()) == 0


@pytest.mark.parametrize(("known", "shown"), [(None, 0), (12, 12)])
def test_the_end_of_an_assigned_partition_is_that_of_the_last_fetch(known: int | None, shown: int) -> None:
    assert end(SimpleNamespace(highwater=lambda _: known)) == shown


async def test_aiokafka_asserts_that_a_partition_is_assigned() -> None:
    consumer = AIOKafkaConsumer()
    with pytest.raises(AssertionError):
        consumer.highwater(("topic", 0))


class Failing(ConsumerInLoop):
    """A consumer without Kafka that fails at its start or at its end."""

    at_start = False

    async def on_start(self) -> None:
        if self.at_start:
            raise ConnectionError

    async def on_thread_stop(self) -> None:
        await super().on_thread_stop()
        raise ConnectionError


@pytest.mark.parametrize("at_start", [True, False])
async def test_a_consumer_that_fails_is_not_waited_for_and_its_failure_is_logged(
    at_start: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MagicMock()
    monkeypatch.setattr("streams.app.log", log)
    loop = asyncio.get_running_loop()
    unhandled: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: unhandled.append(context))
    consumer = Failing(MagicMock(), loop=loop)
    consumer.at_start = at_start
    if at_start:
        with pytest.raises(ConnectionError):
            await consumer.start()
    else:
        await consumer.start()
    async with asyncio.timeout(5):
        await consumer.stop()
        await asyncio.wait([consumer._serving])
    assert consumer._serving.exception() is None
    log.exception.assert_called_once_with("consumer failed")
    assert unhandled == []
