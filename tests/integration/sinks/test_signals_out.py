"""Signals reach RabbitMQ whatever happens on the way."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from aio_pika.abc import AbstractChannel

from billing.orders import SubscriptionRef
from billing.vocabulary import PaymentStatus
from tests.integration.sinks.bench import Bench, until
from tests.integration.sinks.cable import cable_to
from tests.integration.sinks.parts import Inboxes
from tests.support.event_factories import TRACE, a_change, a_subscription_change


def ids(messages: list[Any]) -> set[str]:
    return {message.message_id for message in messages}


async def test_a_captured_payment_opens_access_and_is_told_to_the_customer(bench: Bench, inboxes: Inboxes) -> None:
    change = a_change(version=3)
    async with bench.sink("signals") as sink:
        await bench.publish([a_change(PaymentStatus.AUTHORIZED), change])
        (allow,) = await inboxes.read(inboxes.auth, 1)
        (told,) = await inboxes.read(inboxes.notify, 1)
        await bench.drained(2)
        assert await sink.terminate() == 0

    assert allow.message_id == f"{change.payment_id}:3:auth.allow_access"
    assert (allow.correlation_id, allow.headers["traceparent"]) == (str(change.payment_id), TRACE)
    assert json.loads(allow.body) == {
        "action": "ALLOW_ACCESS",
        "customer_id": "customer-1",
        "products": ["film-1", "film-2"],
        "payment_id": str(change.payment_id),
        "version": 1795435205654321,
        "reason": "payment captured",
        "valid_until": None,
        "subscription_id": None,
    }
    assert json.loads(told.body)["data"]["amount"] == 59_900


async def test_a_paid_subscription_opens_access_under_its_own_name_and_is_told_to_the_subscriber(
    bench: Bench, inboxes: Inboxes
) -> None:
    change = a_subscription_change()
    id = str(change.subscription_id)
    async with bench.sink("signals"):
        await bench.publish([change])
        (allow,) = await inboxes.read(inboxes.auth, 1)
        (told,) = await inboxes.read(inboxes.notify, 1)
        await bench.drained(1)

    access = json.loads(allow.body)
    assert (allow.message_id, allow.correlation_id) == (f"{id}:2:auth.allow_access", id)
    assert (access["payment_id"], access["subscription_id"], access["version"]) == (id, id, 1795435205654321)
    assert access["valid_until"] == "2026-12-26T12:00:00.123456Z"
    assert (told.message_id, told.type) == (f"{id}:2:started", "billing.signals.notify.subscription_started.v1")
    assert json.loads(told.body)["data"]["title"] == "Cinema"


async def test_a_payment_of_a_subscription_sends_no_signal_of_its_own(bench: Bench, inboxes: Inboxes) -> None:
    ours = a_change(subscription=SubscriptionRef(uuid4(), 1, 1, "RENEWAL"))
    single = a_change()
    async with bench.sink("signals"):
        await bench.publish([ours, single])
        await bench.drained(2)

        assert ids(await inboxes.read_all(inboxes.auth)) == {f"{single.payment_id}:2:auth.allow_access"}
        assert ids(await inboxes.read_all(inboxes.notify)) == {f"{single.payment_id}:2:notify.payment_succeeded"}


async def test_rabbitmq_away_and_back_loses_no_signal(bench: Bench, inboxes: Inboxes) -> None:
    changes = [a_change() for _ in range(300)]
    expected = {f"{change.payment_id}:2:auth.allow_access" for change in changes}
    url = bench.settings.rabbitmq_url
    async with cable_to(url) as cable, bench.sink("signals", rabbitmq_url=cable.through(url)) as sink:
        await bench.publish(changes[:100])
        await bench.drained(100)
        cable.cut()
        await bench.publish(changes[100:])
        await until(sink.waits)
        cable.plug(cut_after_bytes=60_000)  # once more, in the middle of a batch
        await until(cable.was_cut)
        cable.plug()
        await bench.drained(300)

        assert ids(await inboxes.read(inboxes.auth, 300)) == expected
        assert len(ids(await inboxes.read(inboxes.notify, 300))) == 300


async def test_killed_between_confirm_and_position_a_sink_sends_the_same_ids_again(
    bench: Bench, inboxes: Inboxes
) -> None:
    changes = [a_change() for _ in range(200)]
    await bench.publish(changes)
    async with bench.sink("signals", die_after_batch=2) as dying:
        assert await dying.ended() == -9
    stored = await bench.done()
    async with bench.sink("signals"):
        await bench.drained(200)
        # Another partition may go first after the restart: the repeats are the last ones then.
        messages = await inboxes.read_all(inboxes.auth)

    assert 0 < stored < 200
    assert ids(messages) == {f"{change.payment_id}:2:auth.allow_access" for change in changes}
    assert len(messages) > 200


async def test_a_queue_that_was_deleted_is_declared_again_before_anything_is_lost(
    bench: Bench, inboxes: Inboxes, channel: AbstractChannel
) -> None:
    async with bench.sink("signals") as sink:
        await bench.publish([a_change()])
        await bench.drained(1)
        await channel.queue_delete(inboxes.auth.name)
        change = a_change()
        await bench.publish([change])
        await bench.drained(2)
        assert await sink.said("signals refused"), "what nobody would have heard is an error and not a silence"
        assert await sink.said("NO_ROUTE")

        again = await channel.get_queue(inboxes.auth.name)
        assert ids(await inboxes.read(again, 1)) == {f"{change.payment_id}:2:auth.allow_access"}


async def test_a_signal_that_its_consumer_rejects_waits_in_the_dead_queue(
    bench: Bench, inboxes: Inboxes, channel: AbstractChannel
) -> None:
    async with bench.sink("signals"):
        await bench.publish([a_change()])
        await bench.drained(1)
    message = await inboxes.auth.get()
    assert message is not None
    await message.reject(requeue=False)

    dead = await channel.get_queue(f"{inboxes.auth.name}.dead")
    assert ids(await inboxes.read(dead, 1)) == {message.message_id}


async def test_a_message_that_cannot_be_read_stands_in_the_dead_letters_with_its_place(
    bench: Bench, inboxes: Inboxes, dead_letters: Callable[[str], Awaitable[Any]]
) -> None:
    async with bench.sink("signals"):
        await bench.publish_raw(b"\x00 no event")
        await bench.publish([a_change()])
        await bench.drained(2)
        await inboxes.read(inboxes.auth, 1)

    letter = await dead_letters(bench.consumer)
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"poison", b"\x00 no event")
    assert (headers["topic"], headers["offset"]) == (bench.topic.encode(), b"0")
    assert b"InvalidMessage" in headers["cause"]


async def test_a_second_sink_takes_over_from_the_first(bench: Bench, inboxes: Inboxes) -> None:
    changes = [a_change() for _ in range(150)]
    async with bench.sink("signals") as first:
        await bench.publish(changes[:50])
        async with bench.sink("signals"):
            await bench.publish(changes[50:100])
            assert await first.terminate() == 0
            await bench.publish(changes[100:])
            await bench.drained(150)
            messages = await inboxes.read(inboxes.auth, 150)

    assert ids(messages) == {f"{change.payment_id}:2:auth.allow_access" for change in changes}
