"""Payments of subscriptions on a real Postgres: the outcomes that their subscriptions get, and what is kept of them."""

from uuid import UUID

import msgspec
import pytest

from billing.messages import PaymentOutcome, ReportOutcome, WithdrawCharge, decode_envelope
from billing.messages.topics import SUBSCRIPTIONS
from billing.orders import RENEWAL, SubscriptionRef
from billing.vocabulary import Outcome, PaymentStatus
from tests.support.factories import a_create, a_payment, an_order, later, performed
from tests.support.streams import Crash, Publisher, World

SUBSCRIPTION = UUID(int=14)


@pytest.fixture
async def world(database) -> World:
    return World(database)


def a_renewal():
    order = msgspec.structs.replace(an_order(), subscription=SubscriptionRef(SUBSCRIPTION, 3, 2, RENEWAL))
    create = a_create(order=order, saved_method="method-1", not_after=later(86_400))
    return create, a_payment(payment_id=create.payment_id, order=order, saved_method="method-1")


def outcomes(publisher: Publisher) -> list[tuple[str, str, PaymentOutcome]]:
    """Key, message id and message, in the order of publication."""
    sent = [output for output in publisher.published if output.topic == SUBSCRIPTIONS.name]
    envelopes = [decode_envelope(bytes(output.value)) for output in sent]
    return [(output.key, envelope.id, envelope.open()) for output, envelope in zip(sent, envelopes, strict=True)]


async def test_each_change_is_told_to_the_subscription_under_an_id_of_its_own(world):
    create, payment = a_renewal()
    declined = performed(payment, payment.charge.id, Outcome.DECLINED, reason="insufficient_funds", retry_after_s=3600)
    agent = await world.agent()
    await world.deliver(agent, create, declined)
    told = outcomes(world.publisher)
    assert [(key, id) for key, id, _ in told] == [
        (str(SUBSCRIPTION), f"{payment.id}/1/outcome"),
        (str(SUBSCRIPTION), f"{payment.id}/2/outcome"),
    ]
    assert [outcome.state for _, _, outcome in told] == ["PENDING", "FAILED"]


async def test_dying_between_commit_and_publishing_tells_the_same_outcome_again(world):
    world.publisher.crash_on_publish = True
    create, payment = a_renewal()
    with pytest.raises(Crash):
        await world.deliver(await world.agent(), create)
    successor = Publisher()
    await world.agent(successor)
    assert [id for _, id, _ in outcomes(successor)] == [f"{payment.id}/1/outcome"]


async def test_an_outcome_that_is_asked_for_is_no_repeat_of_an_earlier_one(world):
    create, payment = a_renewal()
    agent = await world.agent()
    await world.deliver(agent, create, ReportOutcome(payment.id), ReportOutcome(payment.id))
    ids = [id for _, id, _ in outcomes(world.publisher)]
    assert len(set(ids)) == 3
    assert {outcome.payment_version for _, _, outcome in outcomes(world.publisher)} == {1}
    assert (await world.payment(payment.id)).version == 1


async def test_what_another_owner_needs_is_in_postgres(world):
    create, payment = a_renewal()
    declined = performed(payment, payment.charge.id, Outcome.DECLINED, reason="insufficient_funds", retry_after_s=3600)
    await world.deliver(await world.agent(), create, WithdrawCharge(payment.id, "cancelled"), declined)
    stored = await world.payment(payment.id)
    assert stored.status is PaymentStatus.FAILED
    assert stored.order.subscription == SubscriptionRef(SUBSCRIPTION, 3, 2, RENEWAL)
    assert (stored.not_after, stored.withdrawn) == (later(86_400), "cancelled")
    assert stored.charge.retry_after_s == 3600
