"""How clearing stands now: figures for metrics."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing.discrepancies import Severity

_OPEN = text(
    # By the index of what is not closed.
    "SELECT severity, count(*), min(opened_at) FROM discrepancies"
    " WHERE state <> 'CLOSED' AND state IN ('OPEN', 'PERSON') GROUP BY 1"
)
_LAST_CLOSE = text(
    "SELECT (content ->> 'closed_at')::timestamptz FROM closed_days ORDER BY accounting_date DESC LIMIT 1"
)
_UNPUBLISHED = text(
    """
    SELECT (body ->> 'changed_at')::timestamptz FROM clearing_events WHERE published_at IS NULL ORDER BY number LIMIT 1
    """
)


class Open(NamedTuple):
    """Discrepancies that a payment asks about or that wait for a person, and since when the oldest is open (UTC)."""

    number: int
    oldest: datetime


async def open_by_severity(connection: AsyncConnection) -> dict[Severity, Open]:
    """The discrepancies that nothing has settled yet, by severity."""
    rows = await connection.execute(_OPEN)
    return {Severity(severity): Open(number, oldest) for severity, number, oldest in rows}


async def last_close(connection: AsyncConnection) -> datetime | None:
    """When a day of the books was closed last (UTC)."""
    at: datetime | None = (await connection.execute(_LAST_CLOSE)).scalar_one_or_none()
    return at


async def oldest_unpublished(connection: AsyncConnection) -> datetime | None:
    """Since when the oldest event waits to be published (UTC)."""
    at: datetime | None = (await connection.execute(_UNPUBLISHED)).scalar_one_or_none()
    return at
