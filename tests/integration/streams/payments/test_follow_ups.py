"""Chases: what is due, and what a provider that has returned was not sent."""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.messages import FollowUpOperation, decode_envelope
from billing.vocabulary import Outcome
from providers.base import CallResult
from streams.payments.follow_ups import FollowUps
from streams.provider_calls.availability import Availability
from streams.provider_calls.breaker import JUDGED_FROM, OPEN_S, Breaker
from tests.support.factories import NOW, a_create, performed
from tests.support.streams import Publisher, World

PROVIDER = "yandex-pay"


@pytest.fixture
def world(database) -> World:
    return World(database)


async def a_payment_that_ended(world: World, outcome: Outcome) -> UUID:
    """One whose first call ended so at ``NOW``; its operation."""
    agent = await world.agent()
    create = a_create()
    await world.deliver(agent, create)
    payment = await world.payment(create.payment_id)
    operation = payment.operations[0].id
    await world.deliver(agent, performed(payment, operation, outcome, reason="breaker_open"))
    return operation


def chased(publisher: Publisher) -> set[UUID]:
    messages = [decode_envelope(bytes(output.value)).open() for output in publisher.published]
    return {message.operation_id for message in messages if isinstance(message, FollowUpOperation)}


async def test_what_a_provider_was_not_sent_goes_as_soon_as_it_is_back(world):
    held_back = await a_payment_that_ended(world, Outcome.NOT_SENT)
    await a_payment_that_ended(world, Outcome.UNKNOWN)
    seconds = [0.0]
    back = NOW + timedelta(seconds=1)  # no chase is due before five
    availability = Availability(
        world.engine, [PROVIDER, "other"], "worker-1", breaker=lambda: Breaker(lambda: seconds[-1]), now=lambda: back
    )
    publisher = Publisher()
    follow_ups = FollowUps(world.engine, publisher, availability.returned, now=lambda: back)  # type: ignore[arg-type]
    for _ in range(JUDGED_FROM):
        assert availability.refusal(PROVIDER) is None
        availability.note(PROVIDER, CallResult(Outcome.UNKNOWN, reason="timeout"))
    assert await follow_ups.send_held_back() == 0, "it is not back yet"
    seconds.append(OPEN_S)
    assert availability.refusal(PROVIDER) is None
    availability.note(PROVIDER, CallResult(Outcome.PENDING))
    assert (await follow_ups.send_held_back(), await follow_ups.send_due()) == (1, 0)
    assert chased(publisher) == {held_back}
    assert await follow_ups.send_held_back() == 0, "once"


async def test_what_was_tried_again_since_the_return_is_left_to_its_time(world):
    await a_payment_that_ended(world, Outcome.NOT_SENT)
    publisher = Publisher()
    follow_ups = FollowUps(world.engine, publisher, {PROVIDER: NOW}, now=lambda: NOW)  # type: ignore[arg-type]
    assert await follow_ups.send_held_back() == 0
    assert publisher.published == []


async def test_what_is_due_is_chased_once(world):
    unknown = await a_payment_that_ended(world, Outcome.UNKNOWN)
    publisher = Publisher()
    follow_ups = FollowUps(world.engine, publisher, {}, now=lambda: NOW + timedelta(seconds=5))  # type: ignore[arg-type]
    assert (await follow_ups.send_due(), await follow_ups.send_due()) == (1, 0)
    assert chased(publisher) == {unknown}
