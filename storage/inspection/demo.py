"""Reads for the demo, which compares Postgres with what its customers did."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection


class PaymentFacts(msgspec.Struct, frozen=True):
    """A stored payment. Amounts in minor units; ``operations`` counts them, ``captures`` the successful ones."""

    id: UUID
    order_ref: str
    status: str
    amount: int
    captured: int
    operations: int
    captures: int


_BY_CUSTOMER = text(
    """
    SELECT p.id, p.order_ref, p.status, p.amount, p.captured, count(op.id) AS operations,
           count(op.id) FILTER (WHERE op.type = 'CAPTURE' AND op.status = 'SUCCESS') AS captures
    FROM orders o JOIN payments p ON p.order_id = o.id LEFT JOIN operations op ON op.payment_id = p.id
    WHERE o.customer_id = ANY(:customers)
    GROUP BY p.id
    """
).bindparams(bindparam("customers", type_=ARRAY(Text)))


async def payments_of(connection: AsyncConnection, customers: Sequence[str]) -> list[PaymentFacts]:
    """All payments of these customers."""
    rows = await connection.execute(_BY_CUSTOMER, {"customers": list(customers)})
    return [PaymentFacts(**row) for row in rows.mappings()]


class SubscriberFacts(msgspec.Struct, frozen=True):
    """A stored subscription. ``end_reason``: ``None`` while it lives. ``periods``: that were sold; ``recovered``: those that
    were paid after a declined try."""

    customer_id: str
    status: str
    end_reason: str | None
    provider: str
    method: str | None
    periods: int
    recovered: int


class ChargeFacts(msgspec.Struct, frozen=True):
    """A payment that was tried for a period of a subscription. ``captured``: minor units."""

    subscription_id: UUID
    period: int
    order_ref: str
    captured: int


_SUBSCRIBERS = text(
    """
    SELECT s.customer_id, s.status, s.state->'ended'->>'reason' AS end_reason, s.provider,
           s.state->'method'->>'ref' AS method,
           (SELECT count(*) FROM subscription_periods p WHERE p.subscription_id = s.id) AS periods,
           (SELECT count(DISTINCT a.period) FROM renewal_attempts a JOIN renewal_attempts b
            ON b.subscription_id = a.subscription_id AND b.period = a.period AND b.state = 'PAID'
            WHERE a.subscription_id = s.id AND a.state = 'FAILED' AND a.decline <> 'OURS') AS recovered
    FROM subscriptions s WHERE s.clock_id = :clock
    """
)
_CHARGES = text(
    """
    SELECT a.subscription_id, a.period, p.order_ref, p.captured
    FROM renewal_attempts a JOIN subscriptions s ON s.id = a.subscription_id JOIN payments p ON p.id = a.payment_id
    WHERE s.clock_id = :clock
    """
)


async def subscribers_of(connection: AsyncConnection, clock: UUID) -> list[SubscriberFacts]:
    """All subscriptions that live by a test clock."""
    rows = await connection.execute(_SUBSCRIBERS, {"clock": clock})
    return [SubscriberFacts(**row) for row in rows.mappings()]


async def charges_of(connection: AsyncConnection, clock: UUID) -> list[ChargeFacts]:
    """All payments that were tried for them."""
    rows = await connection.execute(_CHARGES, {"clock": clock})
    return [ChargeFacts(**row) for row in rows.mappings()]
