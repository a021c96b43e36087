"""An integrator's way with the Python client, from REST over Kafka to the agents, the sandbox and back: subscribe, renew by a
test clock, a decline and its retry, the customer's page, cancel, keep, cancel now with a refund, remove a method."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from billing_client import SubscriptionStatus

from tests.conftest import Stack
from tests.support.integrator import Integrator, an_integrator
from tests.support.shop import audited

#: The renewal of 28 February is declined, and its retry a day later; the grace time is not over.
DECLINED_TWICE = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
#: The renewal of 31 March is made.
RENEWED = datetime(2026, 4, 1, 20, 0, tzinfo=UTC)


@pytest.fixture
async def integrator(stack: dict[str, Any]) -> AsyncIterator[Integrator]:
    async with an_integrator(stack) as one:
        yield one


async def test_a_removed_method_ends_the_subscription_with_its_paid_period(integrator: Integrator) -> None:
    subscriptions = integrator.billing.subscriptions
    id = await integrator.subscribe("removing")
    paid = await subscriptions.read(id)
    assert paid.payment_method is not None
    await integrator.billing.remove_payment_method(paid.payment_method.id)
    leaving = await integrator.until(id, lambda s: s.cancel_at is not None)
    assert leaving.cancel_reason == "no_method"
    assert leaving.current_period is not None
    assert leaving.cancel_at == leaving.current_period.end_at

    await integrator.advance(DECLINED_TWICE)
    ended = await subscriptions.read(id)
    assert (ended.status, ended.end_reason) == (SubscriptionStatus.ENDED, "no_method")
    assert [a.purpose for a in await subscriptions.attempts(id)] == ["FIRST"]


async def test_a_subscription_from_its_first_payment_to_its_refund(running: Stack, integrator: Integrator) -> None:
    subscriptions = integrator.billing.subscriptions
    id = await integrator.subscribe("staying")
    assert [s.id async for s in subscriptions.list(test_clock=str(integrator.clock))] == [id]
    assert (await integrator.billing.test_clocks.read(integrator.clock)).subscriptions == 1

    await integrator.declining(2)
    await integrator.advance(DECLINED_TWICE)
    overdue = await subscriptions.read(id)
    assert overdue.dunning is not None
    assert (overdue.status, overdue.dunning.reason) == (SubscriptionStatus.PAST_DUE, "insufficient_funds")
    assert overdue.dunning.attempts == 2
    assert overdue.access_until is not None
    assert overdue.access_until > DECLINED_TWICE

    paying = await subscriptions.pay(id, wait_s=20)
    assert paying is not None
    await integrator.pay(paying)
    recovered = await integrator.until(id, lambda s: s.status is SubscriptionStatus.ACTIVE)
    assert recovered.dunning is None
    assert recovered.payment_method != overdue.payment_method
    assert recovered.current_period is not None
    assert recovered.current_period.start_at == datetime(2026, 2, 28, 9, 0, tzinfo=UTC)

    await integrator.advance(RENEWED)
    attempts = await subscriptions.attempts(id)
    assert [(a.period, a.purpose, a.state) for a in attempts] == [
        (1, "FIRST", "PAID"),
        (2, "RENEWAL", "FAILED"),
        (2, "RENEWAL", "FAILED"),
        (2, "PAY", "PAID"),
        (3, "RENEWAL", "PAID"),
    ]
    await integrator.cancels_and_keeps(id)
    refunded = await integrator.cancels_now(id)
    await integrator.given_back(attempts[-1].payment, refunded)
    kinds = {entry.kind for entry in await subscriptions.timeline(id)}
    assert {"command", "wake-up", "outcome", "notice", "access"} <= kinds
    assert audited(running) == []
