"""The auditor's queries about clearing. They share nothing with the code that clears a day."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Date, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

#: Kind of violation → query for ``(id, detail)``; the id is that of a discrepancy.
DISCREPANCIES: Final[dict[str, str]] = {
    "claim_overdue": """
        SELECT d.id, format('%s of %s is resolved as %s, to be confirmed by %s; days until %s are cleared', d.kind,
                            d.subject, d.resolution, d.confirm_by, r.last)
        FROM discrepancies d JOIN (
            SELECT job, max(business_date) AS last FROM job_runs WHERE finished_at IS NOT NULL GROUP BY job
        ) r ON r.job = 'clearing:' || d.provider
        WHERE d.state = 'RESOLVED' AND d.confirm_by < r.last
    """,
    "discrepancy_history_gap": """
        WITH events AS (
            SELECT discrepancy_id, count(*) AS number, max(version) AS last FROM discrepancy_events GROUP BY 1
        )
        SELECT d.id, format('version %s, %s of %s; %s events, the last of version %s, %s of %s', d.version, d.state,
                            d.kind, coalesce(e.number, 0), e.last, l.state, l.kind)
        FROM discrepancies d
        LEFT JOIN events e ON e.discrepancy_id = d.id
        LEFT JOIN discrepancy_events l ON l.discrepancy_id = d.id AND l.version = e.last
        WHERE (e.number, e.last, l.state, l.kind) IS DISTINCT FROM (d.version, d.version, d.state, d.kind)
    """,
}
_DECIDED: Final = "(d.state <> 'CLOSED' OR d.resolution IN ('written_off', 'accepted'))"
# The lock of a run: two keys of four bytes, of which pg_locks shows the second without its sign.
_CLEARED = text(
    """
    SELECT array_agg(business_date ORDER BY business_date) FILTER (WHERE finished_at IS NOT NULL),
           bool_or(braked_at IS NOT NULL AND released_by IS NULL) OR EXISTS (
               SELECT FROM pg_locks l
               WHERE l.locktype = 'advisory' AND l.classid = CAST(x'636C6561' AS integer)
                 AND l.objid = CAST(CAST(hashtext(:provider) AS bit(32)) AS bigint) AND l.granted
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           )
    FROM job_runs WHERE job = 'clearing:' || :provider
    """
)
_NOWHERE = text(
    f"""
    SELECT l.business_date || '/' || l.line_ref || '#' || l.occurrence,
           format('%s of %s %s is of no operation and in no discrepancy', l.kind, l.amount, l.currency)
    FROM statement_lines l
    WHERE l.provider = :provider AND l.business_date = ANY(:days) AND l.withdrawn_at IS NULL AND l.operation_id IS NULL
      AND l.kind IN ('charge', 'refund', 'refund_undone', 'chargeback', 'chargeback_undone', 'other')
      AND NOT EXISTS (
          SELECT FROM discrepancies d
          WHERE d.provider = l.provider AND d.subject = 'line:' || l.business_date || ':' || l.line_ref || '#' || l.occurrence
            AND {_DECIDED}
      )
    ORDER BY 1 LIMIT :reported
    """  # noqa: S608 - of constants
).bindparams(bindparam("days", type_=ARRAY(Date)))
# A movement of ours after the end of the last cleared day counts for or against it: clocks differ, and the next run decides.
_UNEQUAL = text(
    f"""
    WITH theirs AS (
        SELECT operation_id, sum(amount) AS amount, min(currency) AS currency, count(DISTINCT currency) AS currencies
        FROM statement_lines
        WHERE provider = :provider AND business_date = ANY(:days) AND withdrawn_at IS NULL AND operation_id IS NOT NULL
        GROUP BY 1
    ), ours AS (
        SELECT operation_id, coalesce(sum(amount) FILTER (WHERE posted_at < :end), 0) AS amount, sum(amount) AS in_all,
               min(currency) AS currency, min(posted_at) AS booked_at
        FROM ledger_entries WHERE account = 'clearing:' || :provider AND operation_id IS NOT NULL
        GROUP BY 1
    )
    SELECT coalesce(o.operation_id, t.operation_id)::text,
           format('the books moved %s %s, the statement says %s %s', coalesce(o.in_all, 0), o.currency,
                  coalesce(t.amount, 0), t.currency)
    FROM ours o FULL JOIN theirs t USING (operation_id)
    WHERE (t.operation_id IS NOT NULL OR o.booked_at >= :start AND o.booked_at < :end)
      AND (coalesce(t.amount, 0) NOT IN (coalesce(o.amount, 0), coalesce(o.in_all, 0))
           OR o.currency <> t.currency OR t.currencies > 1)
      AND NOT EXISTS (
          SELECT FROM discrepancies d
          WHERE d.provider = :provider AND d.operation_id = coalesce(o.operation_id, t.operation_id) AND {_DECIDED}
      )
    ORDER BY 1 LIMIT :reported
    """  # noqa: S608 - of constants
).bindparams(bindparam("days", type_=ARRAY(Date)))
_FOUND = text(
    """
    SELECT d.id, d.subject, d.state, d.resolution IN ('written_off', 'accepted') AS is_decided,
           array(SELECT DISTINCT e.kind FROM discrepancy_events e WHERE e.discrepancy_id = d.id) || d.kind AS kinds,
           p.order_ref,
           array_remove(ARRAY[d.detail ->> 'line', d.detail ->> 'movement', d.detail ->> 'order', d.detail ->> 'payout',
                              p.order_ref], NULL)
           || array(SELECT n FROM operations o, unnest(ARRAY[o.id::text, o.provider_ref]) AS n
                    WHERE o.payment_id = d.payment_id AND o.provider = d.provider AND n IS NOT NULL) AS names
    FROM discrepancies d LEFT JOIN payments p ON p.id = d.payment_id
    WHERE d.provider = :provider AND d.subject NOT LIKE 'day:%'
    ORDER BY d.id
    """
)
_BOOKED = text(
    """
    SELECT p.order_ref, p.captured, p.refunded, (
        SELECT max(e.posted_at) FROM ledger_entries e
        WHERE e.payment_id = p.id AND e.account = 'clearing:' || :provider
    )
    FROM payments p WHERE p.provider = :provider AND p.order_ref = ANY(:order_refs)
    """
).bindparams(bindparam("order_refs", type_=ARRAY(Text)))


class Found(NamedTuple):
    """A discrepancy about a line or an operation. ``kinds``: all that it ever had; ``names``: of its line, and of its
    payment's operations, ours and the provider's; ``is_decided``: a person closed it for good."""

    id: UUID
    subject: str
    state: str
    is_decided: bool | None
    kinds: list[str]
    order_ref: str | None
    names: list[str]


class Booked(NamedTuple):
    """What the books have of an order, minor units. ``last_at``: of the last movement (UTC)."""

    order_ref: str
    captured: int
    refunded: int
    last_at: datetime | None


async def cleared_days(connection: AsyncConnection, provider: str) -> list[date]:
    """The business days of a provider that are cleared; none while a run is under way or stopped: until it ends, lines that
    it took over are in no discrepancy yet."""
    days, is_under_way = (await connection.execute(_CLEARED, {"provider": provider})).one()
    return [] if is_under_way else days or []


async def lines_nowhere(
    connection: AsyncConnection, provider: str, days: Collection[date], limit: int
) -> list[tuple[str, str]]:
    """``(id, detail)`` of the lines of these days that are neither of an operation nor in a discrepancy."""
    values = {"provider": provider, "days": list(days), "reported": limit}
    return [(id, detail) for id, detail in await connection.execute(_NOWHERE, values)]


async def settled_unequal(
    connection: AsyncConnection, provider: str, days: Collection[date], start: datetime, end: datetime, limit: int
) -> list[tuple[str, str]]:
    """``(id, detail)`` of the operations whose sides differ without a discrepancy: lines of these days, and our movements
    from ``start`` on, before ``end`` (UTC)."""
    values = {"provider": provider, "days": list(days), "start": start, "end": end, "reported": limit}
    return [(id, detail) for id, detail in await connection.execute(_UNEQUAL, values)]


async def discrepancies_found(connection: AsyncConnection, provider: str) -> list[Found]:
    """Every discrepancy of a provider that is about a line or an operation."""
    return [Found(*row) for row in await connection.execute(_FOUND, {"provider": provider})]


async def booked(connection: AsyncConnection, provider: str, order_refs: Collection[str]) -> dict[str, Booked]:
    """What the books have of these orders, by the provider's name of the order."""
    rows = await connection.execute(_BOOKED, {"provider": provider, "order_refs": list(order_refs)})
    return {row.order_ref: Booked(*row) for row in rows}
