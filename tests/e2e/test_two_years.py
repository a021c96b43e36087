"""Two hundred customers live two years by a test clock on the running stack, on all the ways that a subscription can take.
Then the run rate in ClickHouse, each letter and each access, the provider's book and ours are compared."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

import aio_pika
import aiohttp
import asyncpg
import msgspec
import pytest
from aio_pika.abc import AbstractIncomingMessage

from analytics.clickhouse import connect
from analytics.report import bind, find_report, run
from billing.messages.subscription_events import Notice, SubscriptionChanged
from billing.messages.topics import SUBSCRIPTION_EVENTS, SUBSCRIPTIONS
from billing.subscriptions.vocabulary import Decline, PeriodStatus, Status
from sinks.rabbitmq.publisher import SIGNALS
from tests.conftest import Stack
from tests.support import subscription_run_rate
from tests.support.cinema import LOOK_S, PATIENCE_S, Cinema
from tests.support.shop import audited
from tests.support.subscribers import Subscribers, months_after
from tests.support.subscription_letters import untrue

CUSTOMERS = 200
MONTHS = 24
START = datetime(2024, 3, 1, 9, 0, tzinfo=UTC)
END = months_after(START, MONTHS).replace(hour=0)
#: Months in which a few answers of the providers are lost after they charged.
UNKNOWN_IN = (2, 7, 13)
FACTS = ("plan", "title", "amount", "currency", "reason", "method_title")
TIMES = ("at", "access_until", "ends_at", "next_try_at")


class Consumer:
    """A plain consumer of the signals of one plan's subscribers. ``seen``: message id → (routing key, body)."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.seen: dict[str, tuple[str, dict[str, Any]]] = {}

    async def take(self, message: AbstractIncomingMessage) -> None:
        body = json.loads(message.body)
        if body["customer_id"].startswith(self.prefix):
            assert message.routing_key is not None
            signal = message.routing_key, body
            assert self.seen.setdefault(str(message.message_id), signal) == signal
        await message.ack()


@pytest.fixture
async def cinema(running: Stack, stack: dict[str, Any]) -> AsyncIterator[Cinema]:
    books = await asyncpg.connect(stack["urls"]["postgres"])
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        yield Cinema(stack, http, books)
        await http.delete(f"{stack['urls']['sandbox']}/_sandbox/faults")
    await books.close()


@pytest.fixture
async def customers(cinema: Cinema) -> Subscribers:
    people = Subscribers(cinema, CUSTOMERS, Random(7))
    await people.open()
    await cinema.books.execute(
        "INSERT INTO test_clocks (id, client_id, name, now_at, target_at, created_at) "
        "SELECT $1, client_id, 'two years', $2, $2, now() FROM plans LIMIT 1",
        cinema.clock,
        START,
    )
    return people


@pytest.fixture
async def consumer(stack: dict[str, Any], customers: Subscribers) -> AsyncIterator[Consumer]:
    one = Consumer(customers.customer(0).removesuffix("0"))
    connection = await aio_pika.connect(stack["urls"]["rabbitmq"])
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=500)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(SIGNALS.exchange, "#")
        await queue.consume(one.take)
        yield one


# Some 4,000 charges by one clock take two to three minutes on a machine of two cores that does nothing else.
@pytest.mark.long
@pytest.mark.timeout(720)
async def test_two_years_of_two_hundred_customers(
    running: Stack, stack: dict[str, Any], cinema: Cinema, customers: Subscribers, consumer: Consumer
) -> None:
    await live(cinema, customers)
    histories = await histories_of(cinema.books)
    ours = {id: h for id, h in histories.items() if h[-1].clock_id == cinema.clock}
    assert len(ours) == CUSTOMERS
    all_went_every_way(ours)

    assert [wrong for history in ours.values() for wrong in untrue(history, END)] == []
    await arrived(consumer, ours)
    await paid_as_told(cinema.books, ours)
    await charged_once(cinema, ours)
    assert await reported(stack, histories) == subscription_run_rate.rows(
        [moved for history in histories.values() for moved in subscription_run_rate.moves(history)],
        START.date(),
        END.date(),
    )
    assert audited(running) == []


async def live(cinema: Cinema, customers: Subscribers) -> None:
    """Month by month: customers join and come back, renewals are made, customers act, and cards begin to fail."""
    joins = [0 if number % 3 else number % 12 for number in range(CUSTOMERS)]
    for month in range(MONTHS):
        if month:
            await cinema.advance(months_after(START, month))
        standing = await customers.standing()
        gone = [one.number for one in standing.values() if one.status == Status.ENDED]
        coming = [n for n in range(CUSTOMERS) if joins[n] == month] + [
            n for n in gone if customers.random.random() < 0.3
        ]
        await customers.subscribe(coming)
        for day in (4, 16):
            await cinema.advance(months_after(START, month, day))
            await customers.act()
        await customers.spoil()
        if month in UNKNOWN_IN:
            await customers.fault({"fault": "error_500_after_commit", "operation": "recur", "count": 2})
    await cinema.advance(END)


async def histories_of(books: asyncpg.Connection) -> dict[UUID, list[SubscriptionChanged]]:
    """The events of every subscription on the stack, in order, as the journal has them."""
    rows = await books.fetch("SELECT outputs::text AS outputs FROM journal WHERE topic = $1", SUBSCRIPTIONS.name)
    found: defaultdict[UUID, list[SubscriptionChanged]] = defaultdict(list)
    for row in rows:
        for output in json.loads(row["outputs"]):
            if output["topic"] == SUBSCRIPTION_EVENTS.name:
                event = msgspec.convert(output["value"]["data"], SubscriptionChanged)
                found[event.subscription_id].append(event)
    return {id: sorted(events, key=lambda event: event.version) for id, events in found.items()}


def all_went_every_way(histories: dict[UUID, list[SubscriptionChanged]]) -> None:
    """The test shows something: each letter was sent, each kind of decline seen, each end reached, customers came back."""
    events = [event for history in histories.values() for event in history]
    letters = Counter(notice.name for event in events for notice in event.notices)
    expected = {"started", "renewal_ahead", "renewed", "payment_failed", "action_needed", "last_notice", "on_hold"}
    assert letters.keys() >= expected | {"recovered", "renewal_off", "cancelled", "kept", "ended"}, letters
    attempts = [attempt for event in events for attempt in event.attempts]
    declines = {attempt.decline for attempt in attempts}
    assert declines >= {Decline.SOFT, Decline.WEAK, Decline.CUSTOMER, Decline.DEAD}, declines
    assert {attempt.state for attempt in attempts} >= {"PAID", "FAILED", "UNKNOWN"}
    assert {attempt.trigger for attempt in attempts} >= {"SCHEDULE", "RETRY", "METHOD", "CUSTOMER"}
    assert {event.end_reason for event in events} >= {"cancelled", "non_payment", "no_method"}
    assert max(event.life for event in events) > 1


async def arrived(consumer: Consumer, histories: dict[UUID, list[SubscriptionChanged]]) -> None:
    """Every letter and every access that was decided arrived, with these facts, and nothing else did."""
    expected: dict[str, tuple[str, dict[str, Any]]] = {}
    for event in (event for history in histories.values() for event in history):
        for notice in event.notices:
            key = f"notify.subscription_{notice.name}"
            expected[f"{event.subscription_id}:{event.version}:{notice.name}"] = key, letter(notice)
        if event.access is not None:
            key = "auth.allow_access" if event.access.products else "auth.deny_access"
            until = {"valid_until": event.access_until}
            expected[f"{event.subscription_id}:{event.version}:{key}"] = key, until
    deadline = time.monotonic() + PATIENCE_S
    while not consumer.seen.keys() >= expected.keys():
        assert time.monotonic() < deadline, f"{len(expected.keys() - consumer.seen.keys())} signals are missing"
        await asyncio.sleep(LOOK_S)
    of_films = {id for id, (key, _) in consumer.seen.items() if not id.startswith(tuple(map(str, histories)))}
    assert consumer.seen.keys() - of_films == expected.keys()
    for id, (key, facts) in expected.items():
        got_key, body = consumer.seen[id]
        got = {"valid_until": _time(body["valid_until"])} if key.startswith("auth") else told(body["data"])
        assert (got_key, got) == (key, facts), id


def letter(notice: Notice) -> dict[str, Any]:
    """The facts of a letter as it was decided."""
    return {name: getattr(notice, name) for name in (*FACTS, *TIMES)}


def told(data: dict[str, Any]) -> dict[str, Any]:
    """The same of one that arrived."""
    return {name: data[name] for name in FACTS} | {name: _time(data[name]) for name in TIMES}


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


async def paid_as_told(books: asyncpg.Connection, histories: dict[UUID, list[SubscriptionChanged]]) -> None:
    """The sum in each receipt is the sum that was captured for the period."""
    rows = await books.fetch("SELECT id, captured FROM payments WHERE id = ANY($1)", list(_payments(histories)))
    captured = {row["id"]: row["captured"] for row in rows}
    for event in (event for history in histories.values() for event in history):
        for notice in event.notices:
            if notice.name in ("started", "renewed", "recovered"):
                (period,) = (p for p in event.periods if p.status is PeriodStatus.PAID)
                assert captured[period.paid_by] == notice.amount


async def charged_once(cinema: Cinema, histories: dict[UUID, list[SubscriptionChanged]]) -> None:
    """At most one charge a period in the provider's book, and one for each that was paid."""
    places = _payments(histories)
    rows = await cinema.books.fetch("SELECT id, order_ref FROM payments WHERE id = ANY($1)", list(places))
    orders = {row["order_ref"]: places[row["id"]] for row in rows}
    async with cinema.http.get(
        f"{cinema.urls['sandbox']}/_sandbox/book", params={"since": "0", "limit": "100000"}
    ) as answer:
        book = (await answer.json())["orders"]
    charged = Counter(orders[o["order_id"]] for o in book if o["captured"] and o["order_id"] in orders)
    assert set(charged.values()) == {1}
    sold = {(id, period.number) for id, history in histories.items() for e in history for period in e.periods}
    assert charged.keys() == sold


def _payments(histories: dict[UUID, list[SubscriptionChanged]]) -> dict[UUID, tuple[UUID, int]]:
    """Payment → the subscription, and the period it was tried for."""
    return {a.payment_id: (id, a.period) for id, history in histories.items() for e in history for a in e.attempts}


async def reported(
    stack: dict[str, Any], histories: dict[UUID, list[SubscriptionChanged]]
) -> Sequence[tuple[Any, ...]]:
    """The report's rows, once ClickHouse has every change."""
    changes = sum(map(len, histories.values()))
    clickhouse = await connect(stack["urls"]["clickhouse"])
    deadline = time.monotonic() + PATIENCE_S
    while (await clickhouse.query("SELECT count() FROM subscription_changes")).result_rows[0][0] < changes:
        assert time.monotonic() < deadline, "ClickHouse does not have every change"
        await asyncio.sleep(LOOK_S)
    report = find_report("mrr_movements")
    given = bind(report, {"from": START.date().isoformat(), "to": END.date().isoformat()}, END.date())
    found = [tuple(row) for row in (await run(clickhouse, report, given)).rows]
    await clickhouse.close()
    return found
