"""Notes of people about a customer. None is ever changed; each is on the trail, in the transaction that writes it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import CUSTOMER_NOTES, columns


class CustomerNote(msgspec.Struct, frozen=True):
    """A note. ``at``: UTC; ``author``: an e-mail address."""

    id: UUID
    customer_id: str
    at: datetime
    author: str
    text: str


_COLUMNS: Final = columns(CUSTOMER_NOTES)
_ADD = text(
    f"INSERT INTO customer_notes ({_COLUMNS}) VALUES ({columns(CUSTOMER_NOTES, prefix=':')})"  # noqa: S608 - of constants
    " ON CONFLICT (id) DO NOTHING RETURNING 1"
)
_LATEST = text(
    f"SELECT {_COLUMNS} FROM customer_notes WHERE customer_id = :customer_id ORDER BY at DESC, id LIMIT :limit"  # noqa: S608
)


async def add(connection: AsyncConnection, note: CustomerNote) -> bool:
    """Record a note in the caller's transaction; ``False`` where it is recorded already."""
    return (await connection.execute(_ADD, msgspec.structs.asdict(note))).first() is not None


async def latest(connection: AsyncConnection, customer_id: str, limit: int) -> Sequence[CustomerNote]:
    """The notes about a customer, the newest first."""
    rows = await connection.execute(_LATEST, {"customer_id": customer_id, "limit": limit})
    return [CustomerNote(*row) for row in rows]
