"""What the Faust app says of its partitions."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from streams.app import BillingApp


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
