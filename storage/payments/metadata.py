"""The metadata of payments' orders, where an event does not have them."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_METADATA = text(
    """
    SELECT p.id, o.metadata FROM payments p JOIN orders o ON o.id = p.order_id
    WHERE p.id = ANY(:ids) AND o.metadata <> '{}'
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def metadata_of(connection: AsyncConnection, payment_ids: Collection[UUID]) -> dict[UUID, dict[str, str]]:
    """Payment → its order's metadata, of those that have any. It never changes."""
    return {row[0]: row[1] for row in await connection.execute(_METADATA, {"ids": list(payment_ids)})}
