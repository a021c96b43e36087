"""Queries of the benchmark: counts of what it made, and copies of payments that fill the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Uses the index of a client's list: earlier payments are not read.
_SINCE = text(
    """
    WITH recent AS MATERIALIZED (
        SELECT id, status, captured FROM payments WHERE client_id = :client AND created_at >= :since
    )
    SELECT count(*), count(*) FILTER (WHERE status = 'CAPTURED'), coalesce(sum(captured), 0),
           (SELECT count(*) FROM operations WHERE payment_id IN (SELECT id FROM recent) AND created_at >= :since)
    FROM recent
    """
)
_STATUSES = text("SELECT status, count(*) FROM payments WHERE id = ANY(:ids) GROUP BY status").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_PROVIDER_MS = text(
    """
    SELECT payment_id, (message -> 'data' ->> 'duration_ms')::float FROM journal
    WHERE payment_id = ANY(:ids) AND type = 'billing.provider.result.v1'
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))

#: Captured payments that are copied to fill the database.
SAMPLE: Final = 1000
_SAMPLE = text(
    "CREATE TEMPORARY TABLE sample ON COMMIT PRESERVE ROWS AS SELECT id, order_id FROM payments"
    " WHERE status = 'CAPTURED' ORDER BY created_at DESC LIMIT :sample"
)
_COLUMNS = text(
    "SELECT column_name FROM information_schema.columns WHERE table_name = :table AND table_schema = current_schema()"
    " ORDER BY ordinal_position"
)
# Table → how a copy differs, and which rows of the sampled payments are copied. Ids are as random as real ones.
_ID: Final = "md5({0}::text || '/' || n)::uuid"
_COPIES: Final[dict[str, tuple[dict[str, str], str]]] = {
    "orders": ({"id": _ID, "created_at": "{0} - age"}, "JOIN sample ON sample.order_id = t.id"),
    "cart_items": ({"order_id": _ID}, "JOIN sample ON sample.order_id = t.order_id"),
    "payments": (
        {"id": _ID, "order_id": _ID, "order_ref": _ID + "::text"}
        | dict.fromkeys(("created_at", "updated_at", "expires_at"), "{0} - age"),
        "JOIN sample ON sample.id = t.id",
    ),
    "operations": (
        {"id": _ID, "payment_id": _ID, "provider_ref": _ID + "::text"}
        | dict.fromkeys(("created_at", "updated_at"), "{0} - age"),
        "JOIN sample ON sample.id = t.payment_id",
    ),
    "journal": (
        # Stream partitions are never negative: positions and republication never find a copy.
        {"payment_id": _ID, "recorded_at": "{0} - age", "stream_partition": "-1 - {0}", "stream_offset": "{0} + n * 1000000000000"},
        "JOIN sample ON sample.id = t.payment_id",
    ),
    "ledger_entries": (
        {"posting_id": _ID, "payment_id": _ID, "operation_id": _ID, "cause_id": _ID + "::text", "posted_at": "{0} - age"},
        "JOIN sample ON sample.id = t.payment_id",
    ),
}  # fmt: skip


async def counts_since(connection: AsyncConnection, client: str, since: datetime) -> tuple[int, int, int, int]:
    """A client's payments, those captured, the captured sum in minor units, and operations, created since then."""
    row = (await connection.execute(_SINCE, {"client": client, "since": since})).one()
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])


async def statuses_of(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[str, int]:
    """Status → how many of these payments have it."""
    rows = await connection.execute(_STATUSES, {"ids": ids})
    return {status: number for status, number in rows}  # noqa: C416


async def provider_ms(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, float]:
    """Milliseconds that the provider call of each payment took."""
    rows = await connection.execute(_PROVIDER_MS, {"ids": ids})
    return dict((payment_id, duration) for payment_id, duration in rows)  # noqa: C402


async def take_sample(connection: AsyncConnection) -> int:
    """Choose the captured payments that :func:`copy_sample` copies on this connection; returns how many."""
    return (await connection.execute(_SAMPLE, {"sample": SAMPLE})).rowcount


async def copy_sample(connection: AsyncConnection, number: int) -> None:
    """Store one copy of each sampled payment with all its rows, 30 days older. ``number`` must differ in every call."""
    # Copies of checked rows: checking a million postings again would only measure the trigger.
    await connection.execute(text("SET LOCAL session_replication_role = replica"))
    for table, (changed, join) in _COPIES.items():
        columns = list((await connection.execute(_COLUMNS, {"table": table})).scalars())
        values = ", ".join(changed.get(column, "{0}").format(f"t.{column}") for column in columns)
        await connection.execute(
            text(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} t {join}"  # noqa: S608
                " CROSS JOIN (SELECT CAST(:number AS bigint) AS n, interval '30 days' AS age) AS copy"
            ),
            {"number": number},
        )
