"""Reads and writes for the benchmark."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_SINCE = text(
    """
    SELECT count(*), count(*) FILTER (WHERE status = 'CAPTURED'), coalesce(sum(captured), 0),
           (SELECT count(*) FROM operations WHERE created_at >= :since)
    FROM payments WHERE created_at >= :since
    """
)
_PROVIDER_MS = text(
    """
    SELECT payment_id, (message -> 'data' ->> 'duration_ms')::float FROM journal
    WHERE payment_id = ANY(:ids) AND type = 'billing.provider.result.v1'
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def counts_since(connection: AsyncConnection, since: datetime) -> tuple[int, int, int, int]:
    """Payments, those captured, the captured sum in minor units, and operations, created since then."""
    row = (await connection.execute(_SINCE, {"since": since})).one()
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])


async def provider_ms(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, float]:
    """Milliseconds that the provider call of each payment took."""
    rows = await connection.execute(_PROVIDER_MS, {"ids": ids})
    return dict((payment_id, duration) for payment_id, duration in rows)  # noqa: C402
