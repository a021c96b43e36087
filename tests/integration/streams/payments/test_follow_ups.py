"""Follow-ups: what is due, and what waits for a provider that is not called."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from billing.messages import ExpirePayment, FollowUpOperation, Message, ProviderRequest, decode_envelope
from billing.vocabulary import CaptureMode, Outcome, PaymentStatus
from providers.base import CallResult
from storage.payments.follow_ups import questions
from storage.providers.switches import Switch, turn
from streams.payments.follow_ups import PROBES, FollowUps
from streams.provider_calls.availability import Availability
from streams.provider_calls.breaker import JUDGED_FROM, OPEN_S, Breaker
from tests.support.factories import NOW, a_create, opened, performed, told
from tests.support.streams import Publisher, World

PROVIDER = "yandex-pay"
OUTAGE = timedelta(hours=1)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return (self.now - NOW).total_seconds()


@pytest.fixture
def world(database) -> World:
    return World(database)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def availability(world: World, clock: Clock) -> Availability:
    return Availability(
        world.engine, [PROVIDER, "other"], "worker-1", breaker=lambda: Breaker(clock.monotonic), now=clock
    )


@pytest.fixture
def follow_ups(world: World, clock: Clock, availability: Availability) -> FollowUps:
    return FollowUps(world.engine, Publisher(), availability, now=clock)  # type: ignore[arg-type]


async def a_payment_that_ended(world: World, outcome: Outcome) -> UUID:
    """One whose first call ended so at ``NOW``; its operation."""
    agent = await world.agent()
    create = a_create(payment_ttl_s=86_400)
    await world.deliver(agent, create)
    payment = await world.payment(create.payment_id)
    operation = payment.operations[0].id
    await world.deliver(agent, performed(payment, operation, outcome, reason="breaker_open"))
    return operation


async def an_opened_payment(world: World, **fields: object) -> UUID:
    agent = await world.agent()
    create = a_create(**fields)
    await world.deliver(agent, create)
    await world.deliver(agent, opened(await world.payment(create.payment_id)))
    return create.payment_id


def sent(follow_ups: FollowUps) -> list[Message]:
    """What was sent since the last look."""
    published = follow_ups._publisher.published
    messages = [decode_envelope(bytes(output.value)).open() for output in published]
    published.clear()
    return messages


def chased(messages: list[Message]) -> set[UUID]:
    return {message.operation_id for message in messages if isinstance(message, FollowUpOperation)}


def break_off(availability: Availability) -> None:
    for _ in range(JUDGED_FROM):
        assert availability.refusal(PROVIDER) is None
        availability.note(PROVIDER, CallResult(Outcome.UNKNOWN, reason="timeout"))


async def test_what_is_due_is_chased_once(world, clock, follow_ups):
    unknown = await a_payment_that_ended(world, Outcome.UNKNOWN)
    clock.now += timedelta(seconds=5)
    assert (await follow_ups.send_due(), await follow_ups.send_due()) == (1, 0)
    assert chased(sent(follow_ups)) == {unknown}


async def test_while_a_breaker_is_open_one_question_a_second_tries_and_the_rest_stays_due(
    world, clock, availability, follow_ups
):
    waiting = {await a_payment_that_ended(world, Outcome.UNKNOWN) for _ in range(5)}
    break_off(availability)
    clock.now += OUTAGE
    assert await follow_ups.send_due() == PROBES
    clock.now += timedelta(seconds=OPEN_S)
    assert availability.refusal(PROVIDER) is None
    availability.note(PROVIDER, CallResult(Outcome.PENDING))
    tried = chased(sent(follow_ups))
    assert await follow_ups.send_due() == len(waiting) - PROBES
    assert tried | chased(sent(follow_ups)) == waiting


async def test_what_a_switch_held_back_goes_out_when_the_provider_is_switched_on(
    world, clock, availability, follow_ups
):
    held_back = {await a_payment_that_ended(world, Outcome.NOT_SENT) for _ in range(3)}
    for enabled in (False, True):
        async with world.engine.begin() as connection:
            await turn(connection, PROVIDER, Switch(enabled, "an incident", "olga", clock.now))
        await availability.look()
        clock.now += OUTAGE
        expected = held_back if enabled else set()
        assert await follow_ups.send_due() == len(expected)
        assert chased(sent(follow_ups)) == expected


async def test_one_provider_that_is_away_delays_no_other(world, clock, availability, follow_ups):
    await a_payment_that_ended(world, Outcome.UNKNOWN)
    other = await an_opened_payment(world, provider="other")
    break_off(availability)
    clock.now += OUTAGE
    await follow_ups.send_due()
    asked = {message.payment_id for message in sent(follow_ups) if isinstance(message, ExpirePayment)}
    assert other in asked


class Service:
    """The follow-ups, the payments and the provider calls, second by second. ``reached``: the payments about which the
    provider was asked while it was there."""

    def __init__(self, world: World, clock: Clock, availability: Availability, follow_ups: FollowUps) -> None:
        self.world = world
        self.clock = clock
        self.availability = availability
        self.follow_ups = follow_ups
        self.reached: set[UUID] = set()

    async def run(self, agent: Any, seconds: int, *, is_back: bool) -> None:
        """What is due is asked."""
        await self.follow_ups.send_due()
        self.world.publisher.published.clear()
        await self.world.deliver(agent, *sent(self.follow_ups))
        for output in list(self.world.publisher.published):
            request = decode_envelope(bytes(output.value)).open()
            if isinstance(request, ProviderRequest):
                await self._call(agent, request, is_back=is_back)
        self.clock.now += timedelta(seconds=seconds)

    async def _call(self, agent: Any, request: ProviderRequest, *, is_back: bool) -> None:
        if self.availability.refusal(PROVIDER) is not None:
            result = CallResult(Outcome.NOT_SENT, reason="breaker_open")
        else:
            result = CallResult(Outcome.PENDING) if is_back else CallResult(Outcome.UNKNOWN, reason="timeout")
            self.availability.note(PROVIDER, result)
        if result.outcome is Outcome.PENDING:
            self.reached.add(request.payment_id)
            return
        payment = await self.world.payment(request.payment_id)
        failed = performed(payment, request.operation_id, result.outcome, reason=result.reason, books=request.books)
        await self.world.deliver(agent, msgspec.structs.replace(failed, action=request.action))


@pytest.mark.parametrize("has_breaker", [True, False])
async def test_a_provider_away_for_an_hour_gets_every_question_within_a_minute_of_its_return(
    world, clock, availability, follow_ups, has_breaker: bool
):
    agent = await world.agent(now=clock)
    for number in range(4):
        create = a_create(payment_ttl_s=86_400)
        await world.deliver(agent, create)
        payment = await world.payment(create.payment_id)
        not_sent = {"outcome": Outcome.NOT_SENT, "provider_ref": None, "payment_url": None, "reason": "unreachable"}
        await world.deliver(agent, opened(payment, **(not_sent if number % 2 else {})))
    held = a_create(capture_mode=CaptureMode.TWO_STAGE, hold_s=600)
    await world.deliver(agent, held)
    payment = await world.payment(held.payment_id)
    await world.deliver(agent, opened(payment), told(payment, PaymentStatus.AUTHORIZED))
    if has_breaker:
        break_off(availability)
    service = Service(world, clock, availability, follow_ups)
    while clock.now < NOW + OUTAGE:
        await service.run(agent, 10, is_back=False)
    assert service.reached == set()
    for _ in range(60):
        await service.run(agent, 1, is_back=True)
    assert service.reached == {id for (id,) in await world.rows("SELECT id FROM payments")}


async def test_the_end_of_the_time_to_pay_and_of_a_hold_is_told_as_such(world, clock, follow_ups):
    unpaid = await an_opened_payment(world, payment_ttl_s=300)
    held = await an_opened_payment(world, capture_mode=CaptureMode.TWO_STAGE, hold_s=200)
    agent = await world.agent()
    await world.deliver(agent, told(await world.payment(held), PaymentStatus.AUTHORIZED))
    clock.now += timedelta(seconds=199)
    assert await follow_ups.send_due() == 0
    clock.now += timedelta(seconds=1)
    assert (await follow_ups.send_due(), sent(follow_ups)) == (1, [ExpirePayment(held)])
    clock.now += timedelta(seconds=100)
    await follow_ups.send_due()
    assert ExpirePayment(unpaid) in sent(follow_ups)


async def test_a_person_s_questions_are_about_every_order_of_a_payment_whatever_its_status(world):
    id = await an_opened_payment(world)
    agent = await world.agent()
    await world.deliver(agent, told(await world.payment(id), PaymentStatus.CAPTURED))
    payment = await world.payment(id)
    async with world.engine.connect() as connection:
        assert await questions(connection, id) == [(id, payment.charge.id, 0)]
        assert await questions(connection, UUID(int=1)) == []
