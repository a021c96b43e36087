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
