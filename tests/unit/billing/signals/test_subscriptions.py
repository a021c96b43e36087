"""What other services are told of a subscription's change."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from billing.messages.subscription_commands import CancelSubscription, ExtendPeriod, KeepSubscription, When
from billing.messages.subscription_events import SubscriptionChanged
from billing.signals import Access, AccessAction, Signal, SubscriptionNotification, signals_for
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.decision import Decision
from clients.examples.grants import Grants
from tests.support.subscriptions import CUSTOMER, World, active, price, subscribe

SOFT = "insufficient_funds"


def event_of(decision: Decision) -> SubscriptionChanged:
    assert decision.event is not None
    return decision.event


def accesses(decision: Decision) -> list[Access]:
    return [s.body for s in signals_for(event_of(decision)) if isinstance(s.body, Access)]


def all_signals(world: World) -> list[Signal]:
    return [signal for d in world.decisions if d.event is not None for signal in signals_for(d.event)]


def end_of(world: World) -> datetime:
    assert world.subscription.period is not None
    return world.subscription.period.end_at


def test_a_subscription_that_waits_for_its_first_payment_tells_nothing() -> None:
    world = World()

    assert signals_for(event_of(world.send(subscribe()))) == ()


def test_the_first_payment_opens_access_with_its_end_under_the_name_of_the_subscription() -> None:
    world = World()
    world.send(subscribe())
    (access,) = accesses(world.pay())

    id = world.subscription.id
    assert (access.action, access.customer_id, access.products) == (AccessAction.ALLOW_ACCESS, CUSTOMER, ("cinema",))
    assert (access.payment_id, access.subscription_id) == (id, id)
    assert access.valid_until == end_of(world) + timedelta(hours=72)
    assert access.reason == "subscription active"


def test_a_renewal_moves_the_end_of_the_grant() -> None:
    world = active()
    world.until_charge()
    (access,) = accesses(world.pay())

    assert access.action is AccessAction.ALLOW_ACCESS
    assert access.valid_until == end_of(world) + timedelta(hours=72)


def test_a_cancellation_tells_the_earlier_end_and_taking_it_back_the_later_one() -> None:
    world = active()
    (shorter,) = accesses(world.send(CancelSubscription(world.subscription.id, command_id=uuid4())))
    (longer,) = accesses(world.send(KeepSubscription(world.subscription.id, command_id=uuid4())))

    assert (shorter.action, longer.action) == (AccessAction.ALLOW_ACCESS, AccessAction.ALLOW_ACCESS)
    assert shorter.valid_until == end_of(world)
    assert longer.valid_until == end_of(world) + timedelta(hours=72)
    assert longer.version > shorter.version


@pytest.mark.parametrize("at_once", [True, False])
def test_the_end_denies_what_was_open(at_once: bool) -> None:
    world = active(price=price(products=("cinema", "sport")))
    when = When.NOW if at_once else When.AT_END
    decision = world.send(CancelSubscription(world.subscription.id, command_id=uuid4(), when=when))
    if not at_once:
        decision = world.until_next()

    (access,) = accesses(decision)
    assert (access.action, access.products) == (AccessAction.DENY_ACCESS, ("cinema", "sport"))
    assert (access.valid_until, access.reason) == (None, "subscription ended")


def test_a_declined_renewal_shortens_access_to_the_grace_and_the_hold_takes_it() -> None:
    world = active(price=price(cadence=Cadence(Unit.WEEK, 1)))
    world.until_charge()
    (grace,) = accesses(world.fail("card_expired"))
    assert world.subscription.dunning is not None
    assert (grace.action, grace.valid_until) == (AccessAction.ALLOW_ACCESS, world.subscription.dunning.grace_until)

    while not (told := accesses(world.until_next())):
        pass
    assert [(a.action, a.reason) for a in told] == [(AccessAction.DENY_ACCESS, "subscription on_hold")]


def test_a_change_that_leaves_access_alone_tells_no_access() -> None:
    world = active()
    until = world.until_next()

    assert world.notices[-1] == "renewal_ahead"
    assert accesses(until) == []


def test_versions_grow_over_all_lives_and_a_late_denial_of_the_last_one_closes_nothing() -> None:
    world = active()
    denied = world.send(CancelSubscription(world.subscription.id, command_id=uuid4(), when=When.NOW))
    world.send(subscribe())
    world.pay()
    grants = Grants()
    for signal in (*all_signals(world), *signals_for(event_of(denied))):
        if isinstance(signal.body, Access):
            grants.apply(signal.body)
    versions = [s.body.version for s in all_signals(world) if isinstance(s.body, Access)]

    assert world.subscription.life == 2
    assert versions == sorted(set(versions))
    assert grants.allowed(CUSTOMER, "cinema", world.now)


def test_a_notice_is_a_notification_with_the_facts_of_its_moment() -> None:
    world = active(price=price(amount=49_900))
    world.until_charge()
    decision = world.fail(SOFT)
    (signal,) = [s for s in signals_for(event_of(decision)) if isinstance(s.body, SubscriptionNotification)]

    assert isinstance(signal.body, SubscriptionNotification)
    s, data, dunning = world.subscription, signal.body.data, world.subscription.dunning
    assert dunning is not None
    assert (signal.routing_key, signal.body.template) == (
        "notify.subscription_payment_failed",
        "subscription_payment_failed",
    )
    assert signal.message_id == f"{s.id}:{s.version}:payment_failed"
    assert (data.subscription_id, data.plan, data.title) == (s.id, "cinema", "Cinema")
    assert (data.amount, data.currency, data.reason) == (49_900, "RUB", SOFT)
    assert (data.next_try_at, data.access_until) == (dunning.retry_at, dunning.grace_until)


def test_the_same_event_gives_the_same_ids_and_no_two_signals_share_one() -> None:
    world = active()
    world.until_charge()
    world.fail(SOFT)
    world.send(
        ExtendPeriod(
            world.subscription.id, command_id=uuid4(), until=end_of(world) + timedelta(days=40), operator="a", reason=""
        )
    )
    once, again = all_signals(world), all_signals(world)

    assert once == again
    assert len({s.message_id for s in once}) == len(once)
