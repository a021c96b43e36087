"""Callbacks find their payment, or wait for it."""

import base64
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from billing.errors import InvalidMessage
from billing.messages import Observation, ProviderCallback, ProviderRequest, decode_envelope
from billing.messages.topics import CALLBACK_PROVIDER, CE_ID, CE_TIME
from billing.payments.decide import decide
from billing.vocabulary import PaymentStatus
from providers import registry
from providers.base import CallResult, ParsedCallback, Provider
from providers.http import CallLimits
from providers.statements import Part, StatementPage
from runtime.kafka.record import Incoming
from streams.callbacks.agent import CallbacksAgent
from tests.support.factories import NOW, a_create, later, opened
from tests.support.streams import ProcessExited, Publisher, World, exit_process, requests


class Plain(Provider):
    """A provider whose callbacks are the reference in plain text, or ``ask`` and the reference."""

    name: ClassVar[str] = "yandex-pay"

    def parts(self, day: date) -> Sequence[Part]:
        raise NotImplementedError

    def pages(self, part: Part, after: str | None = None) -> AsyncIterator[StatementPage]:
        raise NotImplementedError

    async def perform(self, request: ProviderRequest) -> CallResult:
        raise NotImplementedError

    def parse_callback(self, body: bytes) -> ParsedCallback:
        if body == b"garbage":
            raise InvalidMessage("garbage")
        if body == b"of no payment":
            return ParsedCallback((), "subscription/1")
        if body.startswith(b"ask "):
            return ParsedCallback((body.decode().removeprefix("ask "),), "news", ask=True)
        return ParsedCallback((body.decode(),), f"event/{body.decode()}", Observation(PaymentStatus.CAPTURED))


class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def world(database) -> World:
    return World(database)


def callback(reference: str, offset: int = 0) -> Incoming:
    headers = (
        (CALLBACK_PROVIDER, b"yandex-pay"),
        (CE_ID, f"event-{offset}".encode()),
        (CE_TIME, NOW.isoformat().encode()),
    )
    return Incoming(0, offset, b"key", reference.encode(), headers)


async def an_agent(world: World, publisher: Publisher, clock: Callable[[], datetime] = Clock()) -> CallbacksAgent:  # noqa: B008
    agent = CallbacksAgent(
        world.engine, publisher, publisher.dead_letters, {"yandex-pay": Plain()}, exit_process, now=clock
    )  # type: ignore[arg-type]
    await agent.restore([0])
    return agent


async def a_stored_payment(world: World) -> tuple[UUID, str]:
    """Its id, and the provider's reference of its order."""
    create = a_create()
    await world.deliver(await world.agent(), create)
    return create.payment_id, (await world.payment(create.payment_id)).order_ref


def passed_on(publisher: Publisher) -> list[ProviderCallback]:
    messages = [decode_envelope(bytes(output.value)).open() for output in publisher.published]
    return [message for message in messages if isinstance(message, ProviderCallback)]


async def test_a_callback_is_passed_on_to_its_payment(world):
    payment_id, reference = await a_stored_payment(world)
    publisher = Publisher()
    agent = await an_agent(world, publisher)
    await agent.process([callback(reference)])
    (message,) = passed_on(publisher)
    assert (message.payment_id, message.observed.status) == (payment_id, PaymentStatus.CAPTURED)
    await agent.position.store()
    assert await world.rows("SELECT next_offset FROM stream_positions WHERE consumer = 'callbacks'") == [(1,)]


async def test_a_callback_for_a_payment_not_known_yet_is_parked_and_passed_on_once_it_is(world):
    clock, publisher = Clock(), Publisher()
    agent = await an_agent(world, publisher, clock)
    create = a_create()
    reference = decide(None, create, NOW).payment.order_ref
    await agent.process([callback(reference)])
    assert passed_on(publisher) == []
    assert await world.rows("SELECT id, tries FROM parked_callbacks") == [("event-0", 1)]
    clock.now = later(2)
    await agent.retry_parked_once()
    assert await world.rows("SELECT id, tries FROM parked_callbacks") == [("event-0", 2)], "still unknown: kept"
    await world.deliver(await world.agent(), create)
    clock.now = later(60)
    await agent.retry_parked_once()
    assert [message.payment_id for message in passed_on(publisher)] == [create.payment_id]
    assert await world.rows("SELECT count(*) FROM parked_callbacks") == [(0,)]


async def test_a_callback_that_cannot_be_read_goes_aside_and_its_neighbours_are_passed_on(world):
    _, reference = await a_stored_payment(world)
    publisher = Publisher()
    agent = await an_agent(world, publisher)
    headless = Incoming(0, 1, b"key", b"body")
    await agent.process([callback("garbage", 0), headless, callback(reference, 2)])
    assert [message.offset for message, _ in publisher.dead_letters.written] == [0, 1]
    assert len(passed_on(publisher)) == 1


async def test_a_callback_that_is_of_no_payment_is_neither_parked_nor_a_dead_letter(world):
    publisher = Publisher()
    agent = await an_agent(world, publisher)
    await agent.process([callback("of no payment")])
    assert (publisher.published, publisher.dead_letters.written) == ([], [])
    assert await world.rows("SELECT count(*) FROM parked_callbacks") == [(0,)]
    await agent.position.store()
    assert await world.rows("SELECT next_offset FROM stream_positions WHERE consumer = 'callbacks'") == [(1,)]


async def test_an_agent_that_lost_its_partition_leaves(world):
    _, reference = await a_stored_payment(world)
    zombie, owner = await an_agent(world, Publisher()), await an_agent(world, Publisher())
    await owner.process([callback(reference)])
    await owner.position.store()
    await zombie.process([callback(reference)])
    with pytest.raises(ProcessExited):
        await zombie.position.store()


async def test_what_was_forwarded_just_before_a_crash_is_forwarded_again_under_the_same_id(world):
    _, reference = await a_stored_payment(world)
    publisher, after = Publisher(), Publisher()
    await (await an_agent(world, publisher)).process([callback(reference)])
    agent = await an_agent(world, after)  # the position was not written
    assert await agent.restore([0]) == {0: 0}
    await agent.process([callback(reference)])
    assert publisher.ids() == after.ids()


async def test_a_dead_letter_is_written_once_although_the_process_dies_after_it(world):
    publisher = Publisher()
    await (await an_agent(world, publisher)).process([callback("garbage", 0)])
    assert len(publisher.dead_letters.written) == 1
    assert await (await an_agent(world, Publisher())).restore([0]) == {0: 1}


async def test_the_same_callback_twice_is_passed_on_under_the_same_id(world):
    _, reference = await a_stored_payment(world)
    publisher = Publisher()
    agent = await an_agent(world, publisher)
    again = msgspec.structs.replace(callback(reference, 0), offset=1)
    await agent.process([callback(reference, 0), again])
    assert len(set(publisher.ids())) == 1


async def test_an_unsigned_callback_about_an_order_that_the_provider_named_makes_the_payment_ask(world):
    create = a_create()
    payment = decide(None, create, NOW).payment
    theirs = "2f1c7a5e-000f-5000-8000-1c0d3b6e9a11"
    payments = await world.agent()
    await world.deliver(payments, create, opened(payment, provider_ref=theirs))
    publisher = Publisher()
    agent = await an_agent(world, publisher)
    await agent.process([callback(f"ask {theirs}")])
    (message,) = passed_on(publisher)
    assert (message.payment_id, message.ask) == (create.payment_id, True)
    await world.deliver(payments, message)
    asked = requests(world.publisher.published)[-1]
    assert (asked["action"], asked["order_ref"]) == ("INQUIRE", theirs)
    assert (await world.payment(create.payment_id)).status is PaymentStatus.PENDING


async def test_a_callback_whose_data_postgres_refuses_is_a_dead_letter_and_costs_no_other_one(world):
    create = a_create()
    await world.deliver(await world.agent(), create)
    ((operation_id,),) = await world.rows("SELECT id::text FROM operations")
    publisher = Publisher()
    agent = await an_agent(world, publisher)
    await agent.process([callback("a\x00b", 0), callback(operation_id, 1)])
    assert [incoming.offset for incoming, _ in publisher.dead_letters.written] == [0]
    assert len(publisher.published) == 1
    await agent.position.store()
    assert await world.rows("SELECT next_offset FROM stream_positions WHERE consumer = 'callbacks'") == [(2,)]


@pytest.mark.parametrize("reference", ["a\x00b", "long " * 30_000], ids=["a NUL", "longer than an index takes"])
async def test_data_that_postgres_refuses_is_found_among_others_in_a_batch(world, reference):
    create = a_create()
    await world.deliver(await world.agent(), create)
    ((operation_id,),) = await world.rows("SELECT id::text FROM operations")
    publisher = Publisher()
    agent = await an_agent(world, publisher)
    batch = [callback(operation_id, 0), callback("garbage", 1), callback(operation_id, 2), callback(reference, 3)]
    await agent.process([*batch, callback(operation_id, 4)])
    dead = {incoming.offset for incoming, _ in publisher.dead_letters.written}
    assert 1 in dead
    assert dead <= {1, 3}
    assert {"yandex-pay/event-0", "yandex-pay/event-2", "yandex-pay/event-4"} <= set(publisher.ids())
    await agent.position.store()
    assert await world.rows("SELECT next_offset FROM stream_positions WHERE consumer = 'callbacks'") == [(5,)]


async def test_a_callback_of_somebody_elses_payment_is_a_dead_letter_after_three_days(world):
    clock, publisher = Clock(), Publisher()
    agent = await an_agent(world, publisher, clock)
    await agent.process([callback("2f1c", 0)])
    clock.now = later(2 * 86_400)
    await agent.retry_parked_once()
    assert publisher.dead_letters.written == []
    clock.now = later(3 * 86_400 + 3600)
    await agent.retry_parked_once()
    ((incoming, cause),) = publisher.dead_letters.written
    assert (incoming.partition, incoming.offset, incoming.value) == (0, 0, b"2f1c")
    assert "no payment has any of 2f1c" in str(cause)
    assert await world.rows("SELECT count(*) FROM parked_callbacks") == [(0,)]
    replayed = msgspec.structs.replace(incoming, offset=1)
    await agent.process([replayed])
    assert await world.rows("SELECT tries FROM parked_callbacks") == [(1,)], "a replay is parked again"


async def test_a_parked_callback_that_this_release_cannot_read_does_not_stop_the_others(world):
    clock, publisher = Clock(), Publisher()
    agent = await an_agent(world, publisher, clock)
    create = a_create()
    reference = decide(None, create, NOW).payment.order_ref
    await agent.process([callback("other", 0), callback(reference, 1)])
    async with world.engine.begin() as connection:
        await connection.execute(text("UPDATE parked_callbacks SET body = 'garbage' WHERE id = 'event-0'"))
    await world.deliver(await world.agent(), create)
    clock.now = later(60)
    await agent.retry_parked_once()
    assert [incoming.offset for incoming, _ in publisher.dead_letters.written] == [0]
    assert len(passed_on(publisher)) == 1
    assert await world.rows("SELECT count(*) FROM parked_callbacks") == [(0,)]


async def test_one_callback_with_a_nul_holds_up_no_callback_of_any_provider(world):
    """Each provider's own reading: the id of YooKassa's object, and of Yandex Pay's order, hold U+0000."""
    create = a_create()
    await world.deliver(await world.agent(), create)
    ((operation_id,),) = await world.rows("SELECT id::text FROM operations")
    publisher = Publisher()
    providers = registry.build_providers(registry.read_settings(), CallLimits(1.0, 1))
    agent = CallbacksAgent(world.engine, publisher, publisher.dead_letters, providers, exit_process, now=Clock())  # type: ignore[arg-type]
    await agent.restore([0])
    yandex = {"event": "ORDER_STATUS_UPDATED", "eventTime": "2026-11-23T12:00:00Z", "merchantId": "1"}
    bodies = [
        ("yookassa", {"type": "notification", "event": "payment.succeeded", "object": {"id": "a\0b"}}),
        ("yandex-pay", yandex | {"order": {"orderId": "a\0b", "paymentStatus": "CAPTURED"}}),
        ("tbank", {"OrderId": "a\0b", "PaymentId": 1, "Status": "CONFIRMED"}),
        ("yandex-pay", yandex | {"order": {"orderId": operation_id, "paymentStatus": "CAPTURED"}}),
    ]
    batch = []
    for offset, (provider, body) in enumerate(bodies):
        content = msgspec.json.encode(body)
        if provider == "yandex-pay":
            content = b"e30." + base64.urlsafe_b64encode(content).rstrip(b"=") + b".c2ln"
        headers = ((CALLBACK_PROVIDER, provider.encode()), (CE_ID, b"%d" % offset), (CE_TIME, NOW.isoformat().encode()))
        batch.append(Incoming(0, offset, b"key", content, headers))
    await agent.process(batch)
    assert [incoming.offset for incoming, _ in publisher.dead_letters.written] == [0, 1, 2]
    assert all("U+0000" in str(cause) for _, cause in publisher.dead_letters.written)
    assert [message.payment_id for message in passed_on(publisher)] == [create.payment_id]
