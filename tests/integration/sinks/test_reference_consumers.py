"""From the event to who may watch and what the customer reads, over the real RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel

from billing.clearing.discrepancies import Kind, State
from billing.messages.event_parts import Entitlement
from billing.messages.subscription_events import AccessView, Notice
from billing.subscriptions.vocabulary import Status
from billing.vocabulary import OperationType, PaymentStatus
from clients.examples import auth_consumer, finance_consumer, notify_consumer
from clients.examples.finance_consumer import Tasks
from clients.examples.grants import Grants
from clients.examples.notify_consumer import Letters
from tests.integration.sinks.bench import Bench, until
from tests.integration.sinks.parts import Inboxes
from tests.support.event_factories import CHANGED, a_change, a_discrepancy_change, a_subscription_change, an_operation


@asynccontextmanager
async def running(service: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(service)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_access_follows_the_payment_and_a_late_deny_changes_nothing(bench: Bench, inboxes: Inboxes) -> None:
    grants, letters = Grants(), Letters()
    bought = a_change(version=2, entitlement=Entitlement(("film-1", "film-2"), ()))
    refunded = a_change(
        PaymentStatus.PARTIALLY_REFUNDED,
        payment_id=bought.payment_id,
        version=3,
        changed_at=CHANGED + timedelta(seconds=1),
        entitlement=Entitlement(("film-1",), ("film-1", "film-2")),
    )
    reopened = a_change(
        PaymentStatus.CAPTURED,
        previous_status=PaymentStatus.PARTIALLY_REFUNDED,
        payment_id=bought.payment_id,
        version=4,
        changed_at=CHANGED + timedelta(seconds=2),
        entitlement=Entitlement(("film-1", "film-2"), ("film-1",)),
    )

    def may_watch() -> tuple[bool, bool]:
        return tuple(grants.allowed("customer-1", film, CHANGED) for film in ("film-1", "film-2"))

    async def opened() -> bool:
        return may_watch() == (True, True) and len(letters.by_message) == 1

    async def one_closed() -> bool:
        return may_watch() == (True, False)

    url = bench.settings.rabbitmq_url
    async with (
        bench.sink("signals"),
        running(auth_consumer.serve(url, grants, inboxes.auth.name)),
        running(notify_consumer.serve(url, letters, inboxes.notify.name)),
    ):
        await bench.publish([bought])
        await until(opened)
        await bench.publish([refunded])
        await until(one_closed)
        # The deny comes once more after the newer allow, as after a crash of the sink. The last event has their payment,
        # so that it comes behind them in their partition.
        last = a_change(payment_id=bought.payment_id, version=5, customer_id="last")
        await bench.publish([reopened, refunded, last])

        async def the_last_came() -> bool:
            return grants.allowed("last", "film-1", CHANGED)

        await until(the_last_came)
        assert may_watch() == (True, True)


async def test_a_subscriber_watches_until_the_end_of_the_grant_and_gets_letters(bench: Bench, inboxes: Inboxes) -> None:
    grants, letters = Grants(), Letters()
    started = a_subscription_change()
    id = started.subscription_id
    ended = a_subscription_change(
        Status.ENDED,
        subscription_id=id,
        version=3,
        changed_at=CHANGED + timedelta(days=2),
        access=AccessView((), ("cinema",), None, started.access_until),
        access_until=None,
        notices=(Notice("ended", "cinema", "Cinema", 39_900, "RUB", ends_at=CHANGED, reason="cancelled"),),
    )

    def may_watch(at: datetime = CHANGED) -> bool:
        return grants.allowed("customer-1", "cinema", at)

    async def started_and_read() -> bool:
        return may_watch() and len(letters.by_message) == 1

    async def ended_and_read() -> bool:
        return not may_watch() and len(letters.by_message) == 2

    url = bench.settings.rabbitmq_url
    async with (
        bench.sink("signals"),
        running(auth_consumer.serve(url, grants, inboxes.auth.name)),
        running(notify_consumer.serve(url, letters, inboxes.notify.name)),
    ):
        await bench.publish([started])
        await until(started_and_read)
        assert not may_watch(CHANGED + timedelta(days=40)), "the grant ends by itself"
        await bench.publish([ended])
        await until(ended_and_read)

    assert letters.by_message[f"{id}:3:ended"].subject == "Cinema has ended"


async def test_finance_is_told_once_of_what_clearing_finds_and_of_chargebacks_also_after_a_crash(
    bench: Bench, inboxes: Inboxes
) -> None:
    tasks = Tasks()
    found = a_discrepancy_change(Kind.UNKNOWN_PAYMENT, State.PERSON)
    missing = a_discrepancy_change(Kind.STATEMENT_MISSING, State.PERSON, id=UUID(int=78))
    booked = an_operation(OperationType.CHARGEBACK, amount=100)
    payment = a_change(previous_status=PaymentStatus.CAPTURED, version=4, operations=(booked,))
    await bench.publish([found, found, missing, payment])
    async with bench.sink("signals", die_after_batch=1) as sink:
        await sink.ended()

    async def all_came() -> bool:
        return len(tasks.by_message) == 3

    async with (
        bench.sink("signals"),
        running(finance_consumer.serve(bench.settings.rabbitmq_url, tasks, inboxes.finance.name)),
    ):
        await until(all_came)
        await bench.drained(4)
    assert set(tasks.by_message) == {
        f"{found.id}:1:finance.discrepancy_found",
        f"{missing.id}:1:finance.statement_missing",
        f"{booked.id}:4:finance.chargeback",
    }


async def test_what_is_no_signal_goes_to_the_dead_letters_and_holds_up_nobody(
    bench: Bench, inboxes: Inboxes, channel: AbstractChannel
) -> None:
    exchange = await channel.get_exchange(bench.topology.exchange)
    await exchange.publish(aio_pika.Message(b"{}", message_id="odd"), "auth.allow_access")
    grants = Grants()
    dead = await channel.get_queue(f"{inboxes.auth.name}.dead")
    async with (
        bench.sink("signals"),
        running(auth_consumer.serve(bench.settings.rabbitmq_url, grants, inboxes.auth.name)),
    ):
        await bench.publish([a_change()])

        async def opened() -> bool:
            return grants.allowed("customer-1", "film-1", CHANGED)

        await until(opened)
    assert [message.message_id for message in await inboxes.read(dead, 1)] == ["odd"]
