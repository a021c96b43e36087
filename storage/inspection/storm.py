"""Reads for a storm: its payments, and what the ledger holds of them."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_MINE = """
    WITH mine AS (
        SELECT p.* FROM payments p JOIN orders o ON o.id = p.order_id
        WHERE p.created_at >= :since AND o.metadata @> jsonb_build_object('demo', CAST(:run AS text))
    )
"""
_STATUSES = text(_MINE + "SELECT status, count(*) FROM mine GROUP BY status")  # noqa: S608
_FAILURES = text(_MINE + "SELECT reason, count(*) FROM mine WHERE status = 'FAILED' GROUP BY reason")  # noqa: S608
_CAPTURED = text(_MINE + "SELECT id FROM mine WHERE status = 'CAPTURED' ORDER BY id")  # noqa: S608
_HELD = text(
    _MINE  # noqa: S608
    + """
    SELECT id, version FROM mine WHERE status = 'AUTHORIZED' AND NOT EXISTS (
        SELECT FROM operations op
        WHERE op.payment_id = mine.id AND op.type <> 'AUTHORIZE' AND op.status IN ('PENDING', 'UNKNOWN')
    ) ORDER BY id
    """
)
# Open operations; those changed recently may have a call in flight, those never answered wait for their first.
_OPEN = text(
    _MINE  # noqa: S608
    + """
    SELECT payment_id, op.id, chases,
           op.outcome IS NOT NULL AND op.updated_at < now() - make_interval(secs => :quiet_s)
    FROM operations op
    JOIN mine ON mine.id = op.payment_id WHERE op.next_chase_at IS NOT NULL
    """
)
# The operations by which everything about a final payment is asked.
_ASKED = """
    FROM operations op JOIN mine ON mine.id = op.payment_id
    WHERE op.action IN ('CREATE', 'RECUR') AND op.status NOT IN ('PENDING', 'UNKNOWN')
"""
_TO_ASK = text(_MINE + "SELECT payment_id, op.id, chases" + _ASKED)
_UNANSWERED = text(
    _MINE + "SELECT count(*)" + _ASKED + "AND (op.next_chase_at IS NOT NULL OR op.updated_at < :asked_at)"
)
_SUMS = text(
    _MINE  # noqa: S608
    + """
    SELECT op.provider, count(*),
           array_agg(CASE op.provider WHEN mine.provider THEN order_ref ELSE coalesce(op.provider_ref, op.id::text) END),
           coalesce(sum(l.taken), 0)::bigint, coalesce(sum(l.returned), 0)::bigint
    FROM mine JOIN operations op ON op.payment_id = mine.id AND op.action IN ('CREATE', 'RECUR')
    LEFT JOIN (
        SELECT e.payment_id, e.account, sum(e.amount) FILTER (WHERE o.type IN ('CAPTURE', 'RECURRING')) AS taken,
               -sum(e.amount) FILTER (WHERE o.type = 'REFUND') AS returned
        FROM ledger_entries e JOIN operations o ON o.id = e.operation_id
        WHERE e.source = 'payment' GROUP BY 1, 2
    ) AS l ON l.payment_id = mine.id AND l.account = 'clearing:' || op.provider
    GROUP BY op.provider ORDER BY op.provider
    """
)


class LedgerSums(NamedTuple):
    """The ledger's sums of a storm's orders at a provider, in minor units: taken and given back. ``order_refs``: the
    provider's ids of the orders."""

    provider: str
    orders: int
    order_refs: list[str]
    taken: int
    returned: int


class Storm(NamedTuple):
    """The payments of one run: those with the run in their metadata, created since ``since`` (UTC)."""

    run: str
    since: datetime


async def statuses(connection: AsyncConnection, storm: Storm) -> dict[str, int]:
    """Status → payments."""
    return dict((status, count) for status, count in await connection.execute(_STATUSES, storm._asdict()))  # noqa: C402


async def failures(connection: AsyncConnection, storm: Storm) -> dict[str, int]:
    """Reason → failed payments."""
    return dict((reason, count) for reason, count in await connection.execute(_FAILURES, storm._asdict()))  # noqa: C402


async def captured(connection: AsyncConnection, storm: Storm) -> list[UUID]:
    """The ids of the captured payments."""
    return list((await connection.execute(_CAPTURED, storm._asdict())).scalars())


async def held(connection: AsyncConnection, storm: Storm) -> list[tuple[UUID, int]]:
    """(payment id, version) of the payments that are held, with nothing under way."""
    return [(id, version) for id, version in await connection.execute(_HELD, storm._asdict())]


async def open_operations(
    connection: AsyncConnection, storm: Storm, quiet_s: float
) -> list[tuple[UUID, UUID, int, bool]]:
    """(payment id, operation id, follow-ups so far, answered and unchanged for ``quiet_s`` seconds) of the operations that
    are not final."""
    rows = await connection.execute(_OPEN, {**storm._asdict(), "quiet_s": quiet_s})
    return [(payment, operation, chases, quiet) for payment, operation, chases, quiet in rows]


async def orders_to_ask(connection: AsyncConnection, storm: Storm) -> list[tuple[UUID, UUID, int]]:
    """(payment id, operation id, follow-ups so far) of the operations that opened the orders of final payments."""
    rows = await connection.execute(_TO_ASK, storm._asdict())
    return [(payment, operation, chases) for payment, operation, chases in rows]


async def count_unanswered(connection: AsyncConnection, storm: Storm, asked_at: datetime) -> int:
    """How many of them the provider has not answered since ``asked_at`` (UTC)."""
    return int((await connection.execute(_UNANSWERED, {**storm._asdict(), "asked_at": asked_at})).scalar_one())


async def ledger_sums(connection: AsyncConnection, storm: Storm) -> list[LedgerSums]:
    """The sums of each provider."""
    return [LedgerSums(*row) for row in await connection.execute(_SUMS, storm._asdict())]
