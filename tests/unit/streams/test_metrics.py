"""The metrics of a worker: lag from positions, the backlog, and no series for what is not ours."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.vocabulary import Action, Outcome
from runtime.kafka.lag import MAX_ENDS
from storage.streams.backlog import OpenOperations, StoredPosition
from streams.metrics import Metrics
from streams.provider_calls.breaker import State

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    return Metrics(clock)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def at(next_offset: int, published: int | None = None, partition: int = 0) -> StoredPosition:
    return StoredPosition("payments", "inbox", partition, next_offset, next_offset if published is None else published)


def test_lag_is_what_kafka_holds_after_the_position_and_how_long_it_has(metrics: Metrics, clock: Clock) -> None:
    place = {"consumer": "payments", "partition": "0"}
    metrics.positions([at(10)], lambda *_: 10)
    assert value(metrics, "stream_lag_messages", **place) == 0
    assert value(metrics, "stream_lag_seconds", **place) == 0

    metrics.positions([at(10)], lambda *_: 14)
    clock.now += 5
    metrics.positions([at(10)], lambda *_: 20)
    assert value(metrics, "stream_lag_messages", **place) == 10
    assert value(metrics, "stream_lag_seconds", **place) == 5

    metrics.positions([at(14)], lambda *_: 20)
    assert value(metrics, "stream_lag_seconds", **place) == 0, "what is left came just now"
    metrics.positions([at(21)], lambda *_: 20)
    assert value(metrics, "stream_lag_messages", **place) == 0, "Kafka's end may be known late"


def test_a_long_outage_keeps_the_age_of_the_oldest_message_in_bounded_memory(metrics: Metrics, clock: Clock) -> None:
    for second in range(2 * MAX_ENDS):
        metrics.positions([at(0)], lambda *_, end=second + 1: end)
        clock.now += 1

    assert value(metrics, "stream_lag_seconds", consumer="payments", partition="0") == 2 * MAX_ENDS - 1
    assert len(metrics._lags["payments", 0]._ends) == MAX_ENDS


def test_a_partition_of_another_worker_has_no_series_here(metrics: Metrics) -> None:
    metrics.positions([at(1), at(1, partition=1)], lambda *_: 1)
    metrics.positions([at(1), at(1, partition=1)], lambda _, partition: 1 if partition == 0 else None)

    assert value(metrics, "stream_lag_messages", consumer="payments", partition="0") == 0
    assert value(metrics, "stream_lag_messages", consumer="payments", partition="1") is None


def test_unpublished_outputs_are_what_lies_between_the_two_positions(metrics: Metrics) -> None:
    metrics.positions([at(10, published=7), at(5, published=5, partition=1)], lambda *_: 10)

    assert value(metrics, "outbox_unpublished_messages") == 3


def test_open_operations_show_their_number_and_the_oldest_age(metrics: Metrics) -> None:
    metrics.backlog(4, [OpenOperations("stripe", "UNKNOWN", 2, NOW - timedelta(minutes=3))], NOW)
    assert value(metrics, "parked_callbacks") == 4
    assert value(metrics, "open_operations", provider="stripe", status="UNKNOWN") == 2
    assert value(metrics, "oldest_open_operation_seconds", provider="stripe", status="UNKNOWN") == 180

    metrics.backlog(0, [], NOW)
    assert value(metrics, "open_operations", provider="stripe", status="UNKNOWN") is None


def test_calls_and_breakers_are_counted_by_the_names_of_the_code(metrics: Metrics) -> None:
    metrics.call_ended("stripe", Action.REFUND, Outcome.SUCCEEDED, 0.2)
    metrics.breakers({"stripe": State.OPEN})

    action, outcome = Action.REFUND.value, Outcome.SUCCEEDED.value
    assert value(metrics, "provider_calls_total", provider="stripe", action=action, outcome=outcome) == 1
    assert value(metrics, "provider_breaker", provider="stripe", state="open") == 1
    assert value(metrics, "provider_breaker", provider="stripe", state="closed") == 0


def test_a_consumer_that_does_not_move_shows_for_how_long(metrics: Metrics) -> None:
    metrics.stalled("payments", 12.5)
    assert value(metrics, "stream_stalled_seconds", consumer="payments") == 12.5
    metrics.stalled("payments", 0.0)
    assert value(metrics, "stream_stalled_seconds", consumer="payments") == 0
