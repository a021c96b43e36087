"""A subscription with a test clock: whatever happens to it happens by that clock, far from the real time."""

from datetime import timedelta
from uuid import uuid4

from billing.messages.subscription_commands import CancelSubscription, MethodRemoved, When
from billing.subscriptions.decide import decide
from tests.support.subscriptions import NOW, active, subscribe

REAL_NOW = NOW + timedelta(days=365)


def test_a_method_removed_in_real_time_ends_it_with_the_period_of_its_clock() -> None:
    s = active(clock_id=uuid4(), at=NOW).subscription
    assert s.method is not None
    assert s.period is not None
    removed = decide(s, MethodRemoved(s.id, method_id=s.method.id, at=REAL_NOW), REAL_NOW).subscription
    assert removed is not None
    assert removed.cancel is not None
    assert removed.cancel.at == s.period.end_at
    assert removed.updated_at < s.period.end_at


def test_a_life_without_a_clock_begins_in_real_time_after_one_with_a_clock() -> None:
    world = active(clock_id=uuid4(), at=NOW)
    world.send(CancelSubscription(world.subscription.id, command_id=uuid4(), when=When.NOW, at=NOW))
    begun = decide(world.subscription, subscribe(command_id=uuid4()), REAL_NOW).subscription
    assert begun is not None
    assert begun.charge is not None
    assert begun.charge.requested_at == REAL_NOW
