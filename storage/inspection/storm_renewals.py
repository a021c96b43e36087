"""Reads for a storm of renewals: the subscriptions of its plan, and what became of their renewals."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_STATUSES = text("SELECT status, count(*) FROM subscriptions WHERE plan = :plan GROUP BY status")
_LAST_END = text("SELECT max(period_end_at) FROM subscriptions WHERE plan = :plan")
_ACCESS = text("SELECT id, access_until FROM subscriptions WHERE plan = :plan")
_RENEWED = text(
    """
    SELECT s.id FROM subscriptions s JOIN subscription_periods p ON p.subscription_id = s.id AND p.number = 2
    WHERE s.plan = :plan AND s.status = 'ACTIVE' AND p.status = 'PAID' ORDER BY s.id
    """
)
# Clocks that have not arrived, and charges whose outcome is not known.
_UNDER_WAY = text(
    """
    SELECT (SELECT count(*) FROM test_clocks WHERE id = ANY(:clocks) AND now_at < target_at),
           (SELECT count(*) FROM renewal_attempts a JOIN subscriptions s ON s.id = a.subscription_id
            WHERE s.plan = :plan AND a.state IN ('REQUESTED', 'PENDING', 'UNKNOWN', 'NOT_SENT'))
    """
)
_RENEWALS = text(
    """
    SELECT a.subscription_id, a.period, a.provider, p.order_ref, a.state, a.reason
    FROM renewal_attempts a JOIN subscriptions s ON s.id = a.subscription_id JOIN payments p ON p.id = a.payment_id
    WHERE s.plan = :plan AND a.purpose = 'RENEWAL'
    """
)


class UnderWay(NamedTuple):
    """Clocks that are not at their target, and charges whose outcome is not known."""

    clocks: int
    charges: int


class Renewal(NamedTuple):
    """A charge of a saved method for a period. ``order_ref``: the provider's id of the order; ``state``: of the attempt;
    ``reason``: why it failed."""

    subscription_id: UUID
    period: int
    provider: str
    order_ref: str
    state: str
    reason: str | None


async def statuses(connection: AsyncConnection, plan: str) -> dict[str, int]:
    """Status → subscriptions."""
    return dict((status, count) for status, count in await connection.execute(_STATUSES, {"plan": plan}))  # noqa: C402


async def last_period_end(connection: AsyncConnection, plan: str) -> datetime:
    """When the last of the running periods ends (UTC)."""
    end: datetime = (await connection.execute(_LAST_END, {"plan": plan})).scalar_one()
    return end


async def access(connection: AsyncConnection, plan: str) -> dict[UUID, datetime | None]:
    """Subscription → the end of its access (UTC); ``None``: none."""
    return dict((id, until) for id, until in await connection.execute(_ACCESS, {"plan": plan}))  # noqa: C402


async def renewed(connection: AsyncConnection, plan: str) -> list[UUID]:
    """The subscriptions whose second period is paid and running."""
    return list((await connection.execute(_RENEWED, {"plan": plan})).scalars())


async def under_way(connection: AsyncConnection, plan: str, clocks: list[UUID]) -> UnderWay:
    """What is not final."""
    return UnderWay(*(await connection.execute(_UNDER_WAY, {"plan": plan, "clocks": clocks})).one())


async def renewals(connection: AsyncConnection, plan: str) -> list[Renewal]:
    """All charges of saved methods."""
    return [Renewal(*row) for row in await connection.execute(_RENEWALS, {"plan": plan})]
