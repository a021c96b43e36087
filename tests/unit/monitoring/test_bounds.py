"""Whatever is recorded, a process has a bounded number of series: each costs its scrape 5 µs and Prometheus memory."""

import random
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry, generate_latest

import admin.metrics
import ingest_api.metrics
import monitoring.metrics
import reconciliation.metrics
import streams.metrics
from billing.clearing.discrepancies import Severity
from billing.ledger.tie_out import TieOut
from billing.vocabulary import Action, Outcome
from monitoring.books import Books, ConsumerLag
from runtime.kafka import dead_letters
from runtime.kafka.lag import Lag
from storage.clearing.standing import Open
from storage.monitoring import Approvals, Difference, Group, Job, Processes, Unfinished
from storage.providers.switches import OpenBreaker, Switch
from storage.streams.backlog import OpenOperations, StoredPosition
from storage.subscriptions.due import Backlog
from streams.provider_calls.breaker import State

TIMES = 10_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: What each process may have, its own and those of the interpreter: Prometheus reads every 15 s.
BUDGET = {"worker": 5_000, "ingest": 2_500, "scheduler": 1_500, "admin": 1_500, "monitor": 1_000}

chance = random.Random(16)


def word() -> str:
    return "".join(chance.choices(string.ascii_letters, k=8))


def number() -> int:
    return chance.randrange(1_000_000)


def moment() -> datetime:
    return NOW - timedelta(seconds=number())


def positions() -> list[StoredPosition]:
    return [StoredPosition(word(), word(), number(), number(), number()) for _ in range(3)]


def operations() -> list[OpenOperations]:
    return [OpenOperations(word(), word(), number(), moment()) for _ in range(3)]


async def nothing(_batch: Any) -> None:
    """A batch."""


def worker() -> tuple[Any, dict[str, Callable[[], Any]]]:
    metrics = streams.metrics.Metrics()
    return metrics, {
        "measured": lambda: metrics.measured(word(), nothing),
        "decided": lambda: metrics.decided(word(), word(), word()),
        "changed": lambda: metrics.changed(word(), word(), word()),
        "other_mode": lambda: metrics.other_mode(word()),
        "call_ended": lambda: metrics.call_ended(
            word(), chance.choice(list(Action)), chance.choice(list(Outcome)), 0.1, word()
        ),
        "know": lambda: metrics.know([word()]),
        "calls": lambda: metrics.calls({word(): number()}, {word(): number()}),
        "callbacks": lambda: metrics.callbacks(word(), word(), number()),
        "follow_ups": lambda: metrics.follow_ups(number()),
        "feed": lambda: metrics.feed(word(), number(), number()),
        "breakers": lambda: metrics.breakers({word(): State.OPEN}),
        "positions": lambda: metrics.positions(positions(), lambda *_: number()),
        "stalled": lambda: metrics.stalled(word(), 1.0),
        "contradicted": lambda: metrics.contradicted({word(): number()}),
        "backlog": lambda: metrics.backlog(number(), operations(), NOW),
    }


def ingest() -> tuple[Any, dict[str, Callable[[], Any]]]:
    metrics = ingest_api.metrics.Metrics()
    return metrics, {
        "answered": lambda: metrics.answered(word(), word(), number(), 0.1),
        "streams": lambda: metrics.streams(word(), 1),
    }


def scheduler() -> tuple[Any, dict[str, Callable[[], Any]]]:
    metrics = reconciliation.metrics.Metrics()
    severities = {severity: Open(number(), moment()) for severity in Severity}
    return metrics, {
        "ran": lambda: metrics.ran(word(), NOW),
        "due": lambda: metrics.due([Backlog(word(), number(), moment())], NOW),
        "woken": lambda: metrics.woken(word(), word(), 1),
        "braked": lambda: metrics.braked(True),
        "ended": lambda: metrics.ended(word(), {word(): 1}),
        "clocks": lambda: metrics.clocks(1),
        "clearing": lambda: metrics.clearing(word(), 1, suspect=True),
        "clearing_failed": lambda: metrics.clearing_failed(word()),
        "tied_out": lambda: metrics.tied_out([TieOut(provider=word(), currency=word(), ours=1, theirs=1)]),
        "found": lambda: metrics.found(word(), {word(): 1}),
        "clearing_stands": lambda: metrics.clearing_stands(severities, moment(), moment(), NOW),
        "lost_callbacks": lambda: metrics.lost_callbacks(word(), {word(): 1}, 1),
    }


def of_admin() -> tuple[Any, dict[str, Callable[[], Any]]]:
    metrics = admin.metrics.Metrics()
    return metrics, {"answered": lambda: metrics.answered(word(), number(), 0.1)}


def monitor() -> tuple[Any, dict[str, Callable[[], Any]]]:
    metrics = monitoring.metrics.Metrics()
    many = range(20)

    def books() -> Books:
        return Books(
            at=NOW,
            unfinished=[Unfinished(word(), word(), number(), moment(), uuid4()) for _ in many],
            unknown=[Group(word(), word(), number(), moment()) for _ in many],
            overdue=[Group(word(), word(), number(), moment()) for _ in many],
            lags=[ConsumerLag(word(), word(), number(), 0, Lag(1, 1, 1)) for _ in many],
            unpublished={(word(), number()): 1 for _ in many},
            partitions={word(): 12},
            parked=[Group(word(), word(), number(), moment()) for _ in many],
            letters_open=1,
            imbalance={word(): 1},
            switches={word(): Switch(True, "", "", NOW)},
            breakers=[OpenBreaker(word(), word(), word(), NOW) for _ in many],
            differences=[Difference(word(), word(), word(), 1, 1) for _ in many],
            approvals=[Approvals(word(), number(), moment()) for _ in many],
            jobs=[Job(word(), NOW, NOW, False) for _ in many],
            processes=[Processes(word(), word(), 1) for _ in many],
        )

    def show() -> None:
        metrics.show(books())
        generate_latest(metrics.registry)

    return metrics, {"stand_by": metrics.stand_by, "show": show}


def series(registry: CollectorRegistry) -> int:
    return sum(not line.startswith(b"#") for line in generate_latest(registry).splitlines())


@pytest.mark.parametrize(
    ("process", "make"),
    [("worker", worker), ("ingest", ingest), ("scheduler", scheduler), ("admin", of_admin), ("monitor", monitor)],
)
def test_random_values_make_no_more_series_than_the_process_may_have(process: str, make: Any) -> None:
    metrics, recording = make()
    public = {
        name
        for name, value in vars(type(metrics)).items()
        if callable(value) and not name.startswith("_") and name != "collect"
    }
    assert recording.keys() == public, "every recording function is tried"
    for record in recording.values():
        for _ in range(TIMES if process != "monitor" else 100):
            record()
    assert series(metrics.registry) <= BUDGET[process]


async def test_dead_letters_of_any_consumer_and_cause_share_a_bounded_number_of_series() -> None:
    class Message:
        partition, offset, key, value, headers = 0, 0, b"", b"", ()

    class Broker:
        async def send_and_wait(self, *_args: Any, **_options: Any) -> Message:
            return Message()

    broker: Any = Broker()
    for _ in range(2_000):
        await dead_letters.write(broker, word(), "inbox", Message(), type(word(), (Exception,), {})())
    registry = CollectorRegistry()
    registry.register(dead_letters.WRITTEN)
    assert series(registry) <= 2 * 21 * 41
