"""A subscription with a test clock: whatever happens to it happens by that clock, far from the real time."""

from datetime import timedelta
from uuid import uuid4

from billing.messages.subscription_commands import MethodRemoved
from billing.subscriptions.decide import decide
from tests.support.subscriptions import NOW, active

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
