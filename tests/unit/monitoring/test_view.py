"""What a person sees of the books: the oldest first, still told from behind, what is not known said to be so."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from monitoring.books import Books, ConsumerLag
from monitoring.view import Block, Level, blocks, duration, worst
from runtime.kafka.lag import Lag
from storage.monitoring import Approvals, Difference, Group, Job, Processes, Unfinished
from storage.providers.switches import OpenBreaker, Switch

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FINE: dict[str, Any] = {
    "unfinished": [],
    "unknown": [],
    "overdue": [],
    "lags": [],
    "unpublished": {},
    "partitions": {},
    "parked": [],
    "letters_open": 0,
    "imbalance": {},
    "switches": {},
    "breakers": [],
    "differences": [],
    "approvals": [],
    "jobs": [],
    "processes": [],
}


@dataclass
class Seen:
    """The rows of a block by the heads of their columns."""

    block: Block

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.block.rows[index]
        heads = (column.head for column in self.block.columns)
        return {**dict(zip(heads, row.values, strict=True)), "level": row.level}


def seen(name: str, **fields: Any) -> Seen:
    shown = blocks(Books(at=NOW, **FINE | fields))
    return Seen(next(block for block in shown if block.name == name))


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def consumer(lag: Lag | None, name: str = "payments", per_s: float | None = 5.0) -> ConsumerLag:
    return ConsumerLag(name, "inbox", 0, 10, lag, per_s)


def test_with_nothing_wrong_nothing_is_marked_and_every_block_says_what_that_means() -> None:
    shown = blocks(Books(at=NOW, **FINE))
    assert worst(shown) is Level.FINE
    assert shown[0].name == "unfinished"
    assert all(block.empty for block in shown)


def test_a_payment_past_the_threshold_of_the_alert_calls_at_once_and_comes_first() -> None:
    young = Unfinished("stripe", "PENDING", 5, ago(hours=1), UUID(int=1))
    old = Unfinished("tbank", "PENDING", 1, ago(hours=2), UUID(int=2))
    rows = seen("unfinished", unfinished=[young, old])
    assert (rows[0]["provider"], rows[0]["oldest"], rows[0]["level"]) == ("tbank", 7_200, Level.PAGE)
    assert rows[0]["oldest payment"] == str(UUID(int=2))
    assert rows[1]["level"] is Level.FINE


def test_a_hold_may_be_older_than_an_unpaid_payment() -> None:
    hold = Unfinished("stripe", "AUTHORIZED", 1, ago(days=3), UUID(int=1))
    assert seen("unfinished", unfinished=[hold])[0]["level"] is Level.FINE


def test_an_unknown_outcome_is_a_ticket_and_after_hours_a_call() -> None:
    assert seen("unknown", unknown=[Group("stripe", "REFUND", 1, ago(minutes=20))])[0]["level"] is Level.TICKET
    assert seen("unknown", unknown=[Group("stripe", "REFUND", 1, ago(hours=7))])[0]["level"] is Level.PAGE


@pytest.mark.parametrize(
    ("lag", "state", "level"),
    [
        (Lag(0, 0, 0), "up to date", Level.FINE),
        (Lag(40, 2, 0), "moves", Level.FINE),
        (Lag(900, 30, 0), "behind", Level.PAGE),
        (Lag(1, 90, 90), "still", Level.PAGE),
        (None, "not known", Level.TICKET),
    ],
)
def test_a_consumer_that_is_still_is_told_from_one_that_is_behind(lag: Lag | None, state: str, level: Level) -> None:
    row = seen("streams", lags=[consumer(Lag(0, 0, 0)), consumer(lag)])[0]
    assert (row["state"], row["level"]) == (state, level)
    assert row["messages/s"] == 10


def test_a_sink_may_be_behind() -> None:
    assert seen("streams", lags=[consumer(Lag(5_000, 60, 0), "sink.clickhouse")])[0]["level"] is Level.FINE


def test_partitions_without_a_lag_are_not_listed() -> None:
    assert seen("partitions", lags=[consumer(Lag(0, 0, 0))]).block.rows == []
    assert seen("partitions", lags=[consumer(Lag(3, 2, 0))])[0]["behind"] == 3


def test_letters_that_cannot_be_counted_are_not_none() -> None:
    assert seen("waiting", letters_open=None)[0]["number"] is None
    assert seen("waiting", letters_open=2)[0]["level"] is Level.TICKET


def test_a_request_for_a_second_person_may_wait_and_an_approved_command_may_not() -> None:
    fresh = Approvals("waiting", 2, ago(hours=3))
    assert seen("waiting", approvals=[fresh])[0]["level"] is Level.FINE
    for late in (Approvals("waiting", 1, ago(hours=5)), Approvals("not sent", 1, ago(minutes=6))):
        row = seen("waiting", approvals=[fresh, late])[0]
        assert (row["what"], row["level"]) == (f"approvals: {late.state}", Level.TICKET)


def test_questions_to_a_provider_that_is_switched_off_are_not_late() -> None:
    overdue = [Group("stripe", "follow-up", 9, ago(minutes=5))]
    off = {"stripe": Switch(False, "slow", "ann", NOW)}
    assert seen("waiting", overdue=overdue)[0]["level"] is Level.TICKET
    assert {row.level for row in seen("waiting", overdue=overdue, switches=off).block.rows} == {Level.FINE}


def test_a_provider_shows_who_switched_it_off_and_why_workers_hold_it_back() -> None:
    off = {"stripe": Switch(False, "slow", "ann", NOW)}
    held = [OpenBreaker("tbank", "w1", "timeout", NOW), OpenBreaker("tbank", "w2", "timeout", NOW)]
    rows = seen("providers", switches=off, breakers=held)
    assert (rows[0]["provider"], rows[0]["workers that hold it back"], rows[0]["reason"]) == ("tbank", 2, "timeout")
    assert (rows[1]["switch"], rows[1]["reason"]) == ("off", "slow (ann)")


def test_books_that_do_not_balance_call_at_once() -> None:
    assert seen("money", imbalance={"RUB": -1})[0]["level"] is Level.PAGE
    assert seen("money", imbalance={"RUB": 0})[0]["level"] is Level.FINE
    assert seen("money", differences=[Difference("stripe", "fee", "RUB", 2, 40)])[0]["minor units"] == 40


def test_a_braked_job_and_two_versions_are_marked() -> None:
    assert seen("jobs", jobs=[Job("renewals", ago(hours=1), NOW, True)])[0]["level"] is Level.PAGE
    two = [Processes("worker", "1", 1), Processes("worker", "2", 1)]
    assert seen("processes", processes=two)[0]["level"] is Level.TICKET


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59.9, "59 s"), (320, "5 min 20 s"), (5_400, "1 h 30 min"), (273_600, "3 d 4 h")]
)
def test_a_time_has_two_units_at_most(seconds: float, said: str) -> None:
    assert duration(seconds) == said
