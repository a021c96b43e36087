"""The audit finds each inconsistency of subscriptions, and none where there is none."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from backoffice.audit.audit import check_books
from backoffice.audit.findings import Findings
from billing.messages.subscription_commands import CancelSubscription, Wake
from storage.inspection.books import moment
from tests.integration.backoffice.audit.books import damage
from tests.support.both_agents import BothAgents
from tests.support.subscriptions import subscribe

ID = subscribe().subscription_id


@pytest.fixture
async def paid_twice(database: Any) -> BothAgents:
    """A subscription whose first renewal is paid, as of a moment ago."""
    agents = BothAgents(database)
    agents.now = datetime.now(UTC) - timedelta(days=33)
    await agents.start()
    await agents.send(subscribe())
    while len(agents.provider.charged) < 2:
        agents.now = max(agents.now, await agents.next_at(ID))
        await agents.send(Wake(ID, at=agents.now))
    return agents


async def kinds(agents: BothAgents) -> set[str]:
    findings = Findings()
    async with moment(agents.engine) as connection:
        await check_books(connection, findings)
    assert findings.checked["subscriptions"] == 1
    return {violation.kind for violation in findings.violations}


async def test_a_subscription_in_order_has_no_violation(paid_twice: BothAgents) -> None:
    assert await kinds(paid_twice) == set()
    await paid_twice.send(CancelSubscription(ID, command_id=uuid4()))
    assert await kinds(paid_twice) == set()


PAYMENT = "SELECT paid_by FROM subscription_periods WHERE number = 2"


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("subscription_overdue", "UPDATE subscriptions SET next_action_at = now() - interval '3 hours'"),
        ("period_unfounded", "UPDATE subscription_periods SET amount = amount + 1 WHERE number = 2"),
        ("payment_without_period", "UPDATE subscription_periods SET status = 'REFUNDED' WHERE number = 2"),
        ("access_beyond", "UPDATE subscriptions SET access_until = period_end_at + interval '9 days'"),
        ("attempt_state_mismatch", "UPDATE renewal_attempts SET state = 'FAILED' WHERE period = 2"),
        ("attempt_state_mismatch", "UPDATE renewal_attempts SET state = 'UNKNOWN' WHERE period = 2"),
        ("stray_not_refunded", "UPDATE renewal_attempts SET state = 'STRAY' WHERE period = 2"),
        ("subscription_unjournalled", "UPDATE subscriptions SET version = version + 1"),
        (
            "charged_after_end",
            """UPDATE subscriptions SET status = 'ENDED', next_action_at = NULL,
               state = state || jsonb_build_object('ended', jsonb_build_object('at', now() - interval '20 days'))""",
        ),
        ("period_paid_twice", "UPDATE renewal_attempts SET period = 1, number = 2 WHERE period = 2"),
    ],
)
async def test_each_damage_is_found(paid_twice: BothAgents, kind: str, statement: str) -> None:
    await damage(
        paid_twice.engine,
        "ALTER TABLE renewal_attempts DROP CONSTRAINT one_payment_per_period",
        statement,
    )
    assert kind in await kinds(paid_twice)


async def test_time_sold_twice_is_found(paid_twice: BothAgents) -> None:
    await damage(
        paid_twice.engine,
        "ALTER TABLE subscription_periods DROP CONSTRAINT sold_once",
        "UPDATE subscription_periods SET start_at = start_at - interval '1 day' WHERE number = 2",
    )
    assert "period_overlap" in await kinds(paid_twice)


async def test_a_charge_of_another_amount_than_the_price_is_found(paid_twice: BothAgents) -> None:
    await damage(
        paid_twice.engine,
        """INSERT INTO prices SELECT price_id, 'site', 'cinema', 1, currency, amount - 1, '{}', now(), 'anna'
           FROM subscriptions""",
    )
    assert "charge_not_as_told" in await kinds(paid_twice)


async def test_a_charge_after_the_removal_of_its_method_is_found(paid_twice: BothAgents) -> None:
    await damage(
        paid_twice.engine,
        """INSERT INTO saved_methods SELECT method_id, client_id, customer_id, provider, 'ref', NULL, NULL, 'REMOVED',
           now() - interval '20 days', 'customer', NULL, now() FROM subscriptions ON CONFLICT (id)
           DO UPDATE SET status = 'REMOVED', status_at = now() - interval '20 days'""",
    )
    assert "charged_removed_method" in await kinds(paid_twice)


@pytest.mark.parametrize(
    ("clock_ahead", "removed_before", "is_found"),
    [
        ("60 days", "-1 hour", False),
        ("-2 years", "-1 hour", False),
        ("60 days", "20 days", True),
        ("-2 years", "20 days", True),
    ],
)
async def test_a_removal_is_compared_with_the_time_of_the_payment_where_a_test_clock_has_another(
    paid_twice: BothAgents, clock_ahead: str, removed_before: str, *, is_found: bool
) -> None:
    """``removed_before``: how long before the renewal's payment; one that was removed after it was charged is in order."""
    await damage(
        paid_twice.engine,
        f"UPDATE renewal_attempts SET requested_at = requested_at + interval '{clock_ahead}'",
        f"""INSERT INTO saved_methods SELECT s.method_id, s.client_id, s.customer_id, s.provider, 'ref', NULL, NULL, 'REMOVED',
           p.created_at - interval '{removed_before}', 'customer', NULL, now()
           FROM subscriptions s, payments p WHERE p.id = ({PAYMENT})
           ON CONFLICT (id) DO UPDATE SET status = 'REMOVED', status_at = EXCLUDED.status_at""",
    )
    assert ("charged_removed_method" in await kinds(paid_twice)) is is_found


@pytest.mark.parametrize(
    ("decline", "reason", "is_found"),
    [
        ("SOFT", "insufficient_funds", True),
        ("OURS", "provider_error", False),
        ("CUSTOMER", "method_removed", False),
        ("CUSTOMER", "method_dead", False),
    ],
)
async def test_charges_over_the_budget_of_a_method_are_found_but_for_those_that_use_up_no_try(
    paid_twice: BothAgents, decline: str, reason: str, *, is_found: bool
) -> None:
    await damage(
        paid_twice.engine,
        f"""INSERT INTO renewal_attempts SELECT gen_random_uuid(), subscription_id, 7, n, purpose, 'RETRY', 'FAILED',
           '{decline}', '{reason}', amount, currency, provider, method_id, now() - n * interval '1 day', now(), version
           FROM renewal_attempts, generate_series(1, 10) AS n WHERE period = 2""",
    )
    assert ("attempts_over_budget" in await kinds(paid_twice)) is is_found
