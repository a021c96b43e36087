"""A worker is killed at each step of a charge: one charge a period in the provider's book, and the audit has nothing to say."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.audit.audit import check_books
from backoffice.audit.findings import Findings
from billing.messages import ProviderRequest
from billing.messages.subscription_commands import Consent, Wake
from billing.subscriptions.prices import subscription_id
from billing.subscriptions.vocabulary import Status
from storage.inspection.books import moment
from tests.support.both_agents import BothAgents, Deaths, Moment, Provider
from tests.support.subscriptions import CLIENT, subscribe

ATTEMPTS = "SELECT period, number, state FROM renewal_attempts WHERE subscription_id = :id ORDER BY period, number"


async def live(agents: BothAgents, charges: int) -> UUID:
    """Subscribe, and wake the subscription whenever it is due, each time twice, until so many charges are made."""
    customer = f"customer-{agents.partition}"
    id = subscription_id(CLIENT, "cinema", customer)
    await agents.start()
    await agents.send(subscribe(customer_id=customer, subscription_id=id, consent=Consent(uuid4(), "ab" * 32)))
    for _ in range(40):
        if len(agents.provider.charged) >= charges:
            return id
        agents.now = max(agents.now, await agents.next_at(id))
        wake = Wake(id, at=agents.now)
        await agents.send(wake)
        await agents.send(wake)
    raise AssertionError(f"only {len(agents.provider.charged)} charges")


async def violations(engine: AsyncEngine) -> set[str]:
    findings = Findings()
    async with moment(engine) as connection:
        await check_books(connection, findings)
    return {violation.kind for violation in findings.violations}


@pytest.mark.parametrize("moment_of_death", list(Moment))
async def test_killed_anywhere_a_period_is_charged_once_and_none_is_forgotten(
    database: Any, moment_of_death: Moment
) -> None:
    number = 0
    while True:
        deaths = Deaths(moment_of_death, number)
        agents = BothAgents(database, deaths=deaths, partition=number)
        agents.now = datetime.now(UTC) - timedelta(days=33)
        subscription = await agents.subscription(await live(agents, 2))
        assert subscription.status is Status.ACTIVE
        assert subscription.period is not None
        assert subscription.period.number == len(agents.provider.charged) == 2, number
        assert await violations(database) == set(), number
        if not deaths.happened:
            break
        number += 1
    assert number > 10, "the moments of two charges were all passed"


async def test_killed_in_a_dunning_every_try_is_made_once(database: Any) -> None:
    made: list[int] = []

    def declines_twice(request: ProviderRequest) -> str | None:
        subscription = request.order.subscription
        assert subscription is not None
        made.append(subscription.attempt)
        return "insufficient_funds" if subscription.period == 2 and subscription.attempt < 3 else None

    for number in range(0, 40, 4):
        made.clear()
        deaths = Deaths(Moment.BEFORE_PUBLISHING, number)
        agents = BothAgents(database, Provider(declines_twice), deaths, partition=number)
        agents.now = datetime.now(UTC) - timedelta(days=40)
        id = await live(agents, 2)
        assert len(agents.provider.charged) == 2
        attempts = await agents.rows(ATTEMPTS, id=id)
        assert attempts == [(1, 1, "PAID"), (2, 1, "FAILED"), (2, 2, "FAILED"), (2, 3, "PAID")]
        assert await violations(database) == set()
