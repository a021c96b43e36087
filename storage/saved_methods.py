"""Methods that customers let us charge again, as the API and the gate before a charge read them.

They are registered and declared dead by the payments agent, with the decision that says so (storage/payments/save.py);
they are removed here.
"""

from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.vocabulary import MethodStatus
from storage.tables import SAVED_METHODS, columns


class StoredMethod(msgspec.Struct, frozen=True):
    """A saved method. ``title``: its brand and last digits; ``expires_on``: its last day. ``status_at``: since when (UTC)
    it has its status, ``status_by``: who gave it, ``reason``: why."""

    id: UUID
    client_id: str
    customer_id: str
    provider: str
    method_ref: str
    title: str | None
    expires_on: date | None
    status: MethodStatus
    status_at: datetime
    status_by: str
    reason: str | None
    created_at: datetime


_STATUS = text(
    """
    SELECT status FROM saved_methods
    WHERE provider = :provider AND method_ref = :method_ref AND customer_id = :customer_id
    """
)
_METHOD = text(f"SELECT {columns(SAVED_METHODS)} FROM saved_methods WHERE client_id = :client_id AND id = :id")  # noqa: S608
_METHODS = text(
    f"SELECT {columns(SAVED_METHODS)} FROM saved_methods WHERE client_id = :client_id AND customer_id = :customer_id"  # noqa: S608
    " AND status <> 'REMOVED' ORDER BY created_at, id"
)
_OF_CUSTOMER = text(
    f"SELECT {columns(SAVED_METHODS)} FROM saved_methods WHERE customer_id = :customer_id"  # noqa: S608
    " ORDER BY created_at DESC, id DESC LIMIT :limit"
)
_REMOVE = text(
    """
    UPDATE saved_methods SET status = 'REMOVED', status_at = :now, status_by = :by, reason = :reason
    WHERE client_id = :client_id AND id = :id AND status <> 'REMOVED'
    """
)


async def status(connection: AsyncConnection, provider: str, method_ref: str, customer_id: str) -> MethodStatus | None:
    """A method's status, by what the provider calls it; ``None`` for one that is not known."""
    key = {"provider": provider, "method_ref": method_ref, "customer_id": customer_id}
    found = (await connection.execute(_STATUS, key)).scalar_one_or_none()
    return None if found is None else MethodStatus(found)


async def method(connection: AsyncConnection, client_id: str, id: UUID) -> StoredMethod | None:
    """The client's method with this id."""
    row = (await connection.execute(_METHOD, {"client_id": client_id, "id": id})).mappings().one_or_none()
    return None if row is None else msgspec.convert(dict(row), StoredMethod)


async def methods(connection: AsyncConnection, client_id: str, customer_id: str) -> list[StoredMethod]:
    """A customer's methods that are not removed, the first saved first."""
    rows = await connection.execute(_METHODS, {"client_id": client_id, "customer_id": customer_id})
    return [msgspec.convert(dict(row), StoredMethod) for row in rows.mappings()]


async def methods_of(connection: AsyncConnection, customer_id: str, limit: int) -> list[StoredMethod]:
    """At most ``limit`` methods of a customer at all API clients, removed ones too, the last saved first."""
    rows = await connection.execute(_OF_CUSTOMER, {"customer_id": customer_id, "limit": limit})
    return [msgspec.convert(dict(row), StoredMethod) for row in rows.mappings()]


async def remove(
    connection: AsyncConnection, client_id: str, id: UUID, *, now: datetime, by: str, reason: str | None = None
) -> bool:
    """Remove a method, in the caller's transaction; ``False`` where there is none that is not removed. From the commit
    on no charge of it is sent."""
    values = {"client_id": client_id, "id": id, "now": now, "by": by, "reason": reason}
    return (await connection.execute(_REMOVE, values)).rowcount > 0
