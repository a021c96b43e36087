"""What one customer has bought, over all API clients, as the panel shows it. Each statement reads a bounded number of rows of
the index ``orders_customer``, the newest first."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.orders import Contact

#: Payments that are added up, or looked through for access.
TOTALLED: Final = 2_000
#: Orders that are looked through for contacts.
LOOKED: Final = 200


class Total(msgspec.Struct, frozen=True):
    """What a customer's payments come to in one currency, minor units. ``refunding``: on its way back."""

    currency: str
    payments: int
    captured: int
    refunded: int
    refunding: int
    charged_back: int


_TOTALS = text(
    """
    SELECT currency, count(*), sum(captured), sum(refunded), sum(refund_pending), sum(coalesce(charged_back, 0))
    FROM (
        SELECT p.currency, p.captured, p.refunded, p.refund_pending, p.charged_back
        FROM orders o JOIN payments p ON p.order_id = o.id WHERE o.customer_id = :customer_id
        ORDER BY o.created_at DESC LIMIT :limit
    ) newest GROUP BY currency ORDER BY currency
    """
)
_PAID = text(
    """
    SELECT id FROM (
        SELECT p.id, p.status, o.subscription, o.created_at
        FROM orders o JOIN payments p ON p.order_id = o.id WHERE o.customer_id = :customer_id
        ORDER BY o.created_at DESC LIMIT :looked
    ) newest WHERE status IN ('CAPTURED', 'PARTIALLY_REFUNDED') AND subscription IS NULL
    ORDER BY created_at DESC LIMIT :limit
    """
)
_CONTACTS = text(
    """
    SELECT contact::text FROM (
        SELECT contact, created_at FROM orders WHERE customer_id = :customer_id ORDER BY created_at DESC LIMIT :limit
    ) newest WHERE jsonb_typeof(contact) = 'object' GROUP BY contact ORDER BY max(created_at) DESC
    """
)


async def totals(connection: AsyncConnection, customer_id: str) -> list[Total]:
    """What the newest payments come to, by currency: at most :data:`TOTALLED` of them."""
    rows = await connection.execute(_TOTALS, {"customer_id": customer_id, "limit": TOTALLED})
    return [Total(currency, *map(int, sums)) for currency, *sums in rows]


async def paid(connection: AsyncConnection, customer_id: str, limit: int) -> Sequence[UUID]:
    """At most ``limit`` of the newest payments that may give access by themselves: paid, and of no subscription."""
    values = {"customer_id": customer_id, "looked": TOTALLED, "limit": limit}
    return [row[0] for row in await connection.execute(_PAID, values)]


async def contacts(connection: AsyncConnection, customer_id: str) -> list[Contact]:
    """The contacts to which receipts of the newest :data:`LOOKED` orders go, each once, the last used first."""
    rows = await connection.execute(_CONTACTS, {"customer_id": customer_id, "limit": LOOKED})
    return [msgspec.json.decode(row[0], type=Contact) for row in rows]
