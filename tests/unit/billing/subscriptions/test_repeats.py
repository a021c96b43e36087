"""What a repeated command is answered, and what payments take of a subscription's orders."""

from uuid import uuid4

import pytest

from billing.messages.base import ReplyTo
from billing.messages.subscription_commands import CancelSubscription, PayNow, When
from billing.payments.decide import decide as decide_payment
from billing.subscriptions.vocabulary import Purpose
from tests.support.subscriptions import World, active, subscribe


def test_a_repeated_cancellation_says_again_what_is_given_back() -> None:
    world = active()
    s = world.subscription
    command = CancelSubscription(s.id, command_id=uuid4(), fingerprint="a", when=When.NOW, reply_to=ReplyTo(1, "first"))
    first, again = world.send(command), world.send(command)

    assert first.reply is not None
    assert again.reply is not None
    assert (first.reply.refunded, first.reply.replayed) == (39_900, False)
    assert (again.reply.refunded, again.reply.replayed) == (39_900, True)
    assert again.payments == ()


def first_payment() -> World:
    world = World()
    world.send(subscribe())
    return world


def renewal() -> World:
    world = active()
    world.until_charge()
    return world


def paid_on_a_page() -> World:
    world = renewal()
    world.fail("card_expired")
    world.send(PayNow(world.subscription.id, command_id=uuid4(), provider="yookassa"))
    return world


@pytest.mark.parametrize(
    ("world", "purpose"),
    [(first_payment, Purpose.FIRST), (renewal, Purpose.RENEWAL), (paid_on_a_page, Purpose.PAY)],
)
def test_payments_take_the_orders_of_subscriptions_whatever_they_are_for(world: object, purpose: Purpose) -> None:
    asked = world()  # type: ignore[operator]
    assert asked.last.order.subscription.purpose == purpose
    assert decide_payment(None, asked.last, asked.now).refusal is None
