"""Both sides of each operation, and what is left where they differ. Whatever agrees stays in Postgres."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing.naming import PAYMENT_LINES, Compared
from billing.ledger.accounts import clearing

#: Differences held in memory at once.
PAGE: Final = 2_000

# A side is what the window has; for what only one side has, the other is looked up whatever its age. A posting of the last
# minutes may be of a batch that others cannot see yet.
_SIDES: Final = """
    SELECT apart.operation_id, coalesce(o.payment_id, l.payment_id), coalesce(p.currency, l.currency),
           coalesce(b.amount, 0)::bigint, l.amount, l.currency, coalesce(l.kinds, '{}'),
           coalesce(l.changed, false), coalesce(l.withdrawn, false), coalesce(b.reversed, false), b.booked_at
    FROM apart
    LEFT JOIN operations o ON o.id = apart.operation_id
    LEFT JOIN payments p ON p.id = o.payment_id
    LEFT JOIN LATERAL (
        SELECT sum(e.amount) AS amount, min(e.posted_at) AS booked_at, count(*) > 1 AND sum(e.amount) = 0 AS reversed
        FROM ledger_entries e WHERE e.operation_id = apart.operation_id AND e.account = :account AND e.posted_at < :known
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT min(s.payment_id::text)::uuid AS payment_id,
               sum(s.amount) FILTER (WHERE s.withdrawn_at IS NULL)::bigint AS amount,
               CASE WHEN min(s.currency) FILTER (WHERE s.withdrawn_at IS NULL)
                         = max(s.currency) FILTER (WHERE s.withdrawn_at IS NULL)
                    THEN min(s.currency) FILTER (WHERE s.withdrawn_at IS NULL) END AS currency,
               array_agg(s.kind ORDER BY s.at, s.line_ref, s.occurrence) FILTER (WHERE s.withdrawn_at IS NULL) AS kinds,
               bool_or(s.earlier IS NOT NULL) AS changed, bool_or(s.withdrawn_at IS NOT NULL) AS withdrawn
        FROM statement_lines s
        WHERE s.operation_id = apart.operation_id AND s.provider = :provider AND s.business_date <= :day
    ) l ON true
    ORDER BY apart.operation_id
"""
_OPEN: Final = """
    SELECT operation_id FROM discrepancies
    WHERE provider = :provider AND state <> 'CLOSED' AND operation_id IS NOT NULL
"""
_DIFFERENCES = text(
    f"""
    WITH ours AS (
        SELECT operation_id, min(currency) AS currency, sum(amount)::bigint AS amount
        FROM ledger_entries
        WHERE account = :account AND posted_at >= :start AND posted_at < :until AND operation_id IS NOT NULL
        GROUP BY operation_id
    ), theirs AS (
        SELECT operation_id, min(currency) AS currency, max(currency) AS other, sum(amount)::bigint AS amount
        FROM statement_lines
        WHERE provider = :provider AND business_date BETWEEN :first AND :day AND withdrawn_at IS NULL
          AND operation_id IS NOT NULL
        GROUP BY operation_id
    ), apart AS (
        SELECT coalesce(o.operation_id, t.operation_id) AS operation_id
        FROM ours o FULL JOIN theirs t USING (operation_id)
        WHERE ((o.amount, o.currency) IS DISTINCT FROM (t.amount, t.currency) OR t.currency <> t.other)
          AND NOT (o.amount = 0 AND t.operation_id IS NULL)
        UNION
        {_OPEN}
    ) {_SIDES}
    """  # noqa: S608
)
_OPEN_SIDES = text(f"WITH apart AS ({_OPEN}) {_SIDES}")

_LOOSE_COLUMNS: Final = """
    x.business_date, x.line_ref, x.occurrence, x.kind, x.amount, x.currency, x.payment_id, x.raw_type, x.order_ref,
    x.provider_ref, (
        SELECT count(*) FROM operations o
        WHERE o.payment_id = x.payment_id AND o.provider = x.provider AND o.status = 'SUCCESS'
          AND CASE WHEN x.kind = 'charge' THEN o.type IN ('CAPTURE', 'RECURRING')
                   WHEN x.kind IN ('refund', 'refund_undone') THEN o.type = 'REFUND' AND o.amount = abs(x.amount) END
    )
"""
_IS_LOOSE: Final = f"""
    x.operation_id IS NULL AND x.withdrawn_at IS NULL
    AND x.kind IN ({", ".join(f"'{kind}'" for kind in (*PAYMENT_LINES, "other"))})
"""
_LOOSE = text(
    f"""
    SELECT {_LOOSE_COLUMNS}, true FROM statement_lines x
    WHERE x.provider = :provider AND x.business_date BETWEEN :first AND :day AND {_IS_LOOSE}
    ORDER BY x.business_date, x.line_ref, x.occurrence
    """  # noqa: S608
)
_OPEN_LOOSE = text(
    f"""
    SELECT {_LOOSE_COLUMNS}, {_IS_LOOSE}
    FROM discrepancies d JOIN statement_lines x
      ON x.provider = d.provider AND x.business_date = (d.detail ->> 'day')::date AND x.line_ref = d.detail ->> 'line'
         AND x.occurrence = (d.detail ->> 'occurrence')::integer
    WHERE d.provider = :provider AND d.state <> 'CLOSED' AND d.subject LIKE 'line:%'
    ORDER BY x.business_date, x.line_ref, x.occurrence
    """  # noqa: S608
)
# Nearly all have a line of the day. Those of an earlier one are looked up singly, by a subquery that stays one: Postgres
# knows little of lines that were taken over just now, and would read all of them for each.
_MOVEMENTS = text(
    """
    WITH moved AS (
        SELECT DISTINCT operation_id FROM ledger_entries
        WHERE account = :account AND posted_at >= :start AND posted_at < :until AND operation_id IS NOT NULL
    ), apart AS (
        SELECT operation_id FROM moved EXCEPT
        SELECT operation_id FROM statement_lines
        WHERE provider = :provider AND business_date = :day AND withdrawn_at IS NULL
    )
    SELECT (SELECT count(*) FROM moved), (
        SELECT count(*) FROM apart WHERE (
            SELECT 1 FROM statement_lines l
            WHERE l.operation_id = apart.operation_id AND l.provider = :provider AND l.withdrawn_at IS NULL LIMIT 1
        ) IS NULL
    )
    """
)


_FIRST = text(
    "SELECT posted_at FROM ledger_entries WHERE account = :account AND operation_id IS NOT NULL ORDER BY posted_at LIMIT 1"
)


class Window(msgspec.Struct, frozen=True):
    """What is compared: the lines of the business days ``first`` to ``day``, and our movements from ``start`` on, before
    ``until`` (UTC). A line's own movement may be booked later, after the end of the day: it counts before ``known``."""

    provider: str
    first: date
    day: date
    start: datetime
    until: datetime
    known: datetime

    @property
    def values(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self) | {"account": str(clearing(self.provider))}


class Side(msgspec.Struct, frozen=True):
    """An operation whose sides may differ. ``booked_at``: of our movement (UTC)."""

    compared: Compared
    booked_at: datetime | None

    @property
    def agrees(self) -> bool:
        """Both sides are the same, or both say that nothing moved."""
        c = self.compared
        if not c.kinds:
            return c.ours == 0
        return (c.ours, c.currency) == (c.theirs, c.their_currency)


class LooseLine(msgspec.Struct, frozen=True):
    """A line that belongs to no operation. ``amount``: signed minor units; ``candidates``: operations of its payment that
    it may be about; ``is_loose``: ``False`` once it has found its operation, or was withdrawn."""

    day: date
    line_ref: str
    occurrence: int
    kind: str
    amount: int
    currency: str
    payment_id: UUID | None
    raw_type: str | None
    order_ref: str | None
    provider_ref: str | None
    candidates: int
    is_loose: bool


async def differences(connection: AsyncConnection, window: Window) -> AsyncIterator[Side]:
    """The operations whose sides differ, and those of open discrepancies whether they differ or not."""
    async for side in _sides(connection, _DIFFERENCES, window):
        yield side


async def open_sides(connection: AsyncConnection, window: Window) -> AsyncIterator[Side]:
    """Both sides of the operations that have an open discrepancy."""
    async for side in _sides(connection, _OPEN_SIDES, window):
        yield side


async def loose_lines(connection: AsyncConnection, window: Window) -> AsyncIterator[LooseLine]:
    """The lines that should belong to an operation and do not, those of a type that we do not know, and those of open
    discrepancies."""
    for statement in (_LOOSE, _OPEN_LOOSE):
        async for row in await connection.stream(statement, window.values, execution_options={"yield_per": PAGE}):
            yield LooseLine(*row)


async def open_lines(connection: AsyncConnection, window: Window) -> AsyncIterator[LooseLine]:
    """The lines that have an open discrepancy."""
    async for row in await connection.stream(_OPEN_LOOSE, window.values, execution_options={"yield_per": PAGE}):
        yield LooseLine(*row)


async def _sides(connection: AsyncConnection, statement: TextClause, window: Window) -> AsyncIterator[Side]:
    async for row in await connection.stream(statement, window.values, execution_options={"yield_per": PAGE}):
        *sides, booked_at = row
        yield Side(Compared(*sides), booked_at)


async def our_movements(connection: AsyncConnection, window: Window, start: datetime, end: datetime) -> tuple[int, int]:
    """Our operations that moved money at the provider in a day, and how many of them have no line."""
    values = window.values | {"start": start, "until": end}
    number, without_line = (await connection.execute(_MOVEMENTS, values)).one()
    return number, without_line


async def first_movement(connection: AsyncConnection, provider: str) -> datetime | None:
    """When money of a payment moved at the provider for the first time (UTC)."""
    at: datetime | None = (await connection.execute(_FIRST, {"account": str(clearing(provider))})).scalar_one_or_none()
    return at
