"""What a tie-out is made of: the balance of our clearing account, the sums of the provider's statements, and the operations
that only one of them has by the end of the day."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger.tie_out import Apart, TieOut, tie_out
from storage.books.trial_balance import last_closed, opening_balances
from storage.clearing import totals
from storage.clearing.compare import Window

#: Operations held in memory at once.
PAGE: Final = 2_000

# As in a comparison, a side is what the window has; where they differ, both are looked up whatever their age. An entry
# without a date is older than the books' first day. Suspense and adjustments of an operation's discrepancy are entries
# without the operation, on the same account.
_APART = text(
    """
    WITH ours AS (
        SELECT operation_id, currency, sum(amount) AS amount FROM ledger_entries
        WHERE account = :account AND posted_at >= :start AND operation_id IS NOT NULL
          AND (accounting_date <= :day OR accounting_date IS NULL)
        GROUP BY 1, 2
    ), theirs AS (
        SELECT operation_id, currency, sum(amount) AS amount FROM statement_lines
        WHERE provider = :provider AND business_date BETWEEN :first AND :day AND withdrawn_at IS NULL
          AND operation_id IS NOT NULL
        GROUP BY 1, 2
    ), apart AS (
        SELECT operation_id FROM ours FULL JOIN theirs USING (operation_id, currency)
        WHERE coalesce(ours.amount, 0) <> coalesce(theirs.amount, 0)
        UNION
        SELECT operation_id FROM discrepancies
        WHERE provider = :provider AND state <> 'CLOSED' AND operation_id IS NOT NULL
    ), moved AS (
        SELECT a.operation_id, e.currency, e.amount, 0 AS stated, e.posted_at,
               coalesce(e.accounting_date <= :day, true) AS by_then
        FROM apart a JOIN ledger_entries e ON e.operation_id = a.operation_id AND e.account = :account
        UNION ALL
        SELECT a.operation_id, e.currency, e.amount, 0, NULL, e.accounting_date <= :day
        FROM apart a
        JOIN discrepancies d ON d.operation_id = a.operation_id AND d.provider = :provider
        JOIN ledger_entries e ON e.source = 'clearing' AND e.cause_kind = 'discrepancy' AND e.cause_id = d.id::text
                             AND e.account = :account
        UNION ALL
        SELECT a.operation_id, l.currency, -l.amount, 1, NULL, l.business_date <= :day
        FROM apart a JOIN statement_lines l ON l.operation_id = a.operation_id AND l.provider = :provider
                                           AND l.withdrawn_at IS NULL
    )
    SELECT m.operation_id, trim(m.currency), (sum(m.amount) FILTER (WHERE by_then))::bigint,
           bool_or(m.stated = 1 AND m.by_then),
           sum(m.amount) = 0 OR coalesce(min(m.posted_at) >= :until, false) OR EXISTS (
               SELECT FROM discrepancies d
               WHERE d.operation_id = m.operation_id AND d.provider = :provider AND d.state <> 'CLOSED'
           )
    FROM moved m GROUP BY 1, 2
    HAVING coalesce(sum(m.amount) FILTER (WHERE by_then), 0) <> 0
    ORDER BY 1, 2
    """
)
# Booked before the first statement, and in none.
_OPENING = text(
    """
    SELECT trim(e.currency), sum(e.amount)::bigint FROM ledger_entries e
    WHERE e.account = :account AND e.posted_at < :began AND e.operation_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM statement_lines l WHERE l.operation_id = e.operation_id AND l.provider = :provider)
    GROUP BY 1
    """
)


async def tie_outs(connection: AsyncConnection, window: Window, began: datetime) -> list[TieOut]:
    """The tie-outs of a provider's day, by currency. ``window``: what a comparison of the day looks at, its ``until`` the
    end of the business day; ``began``: the start of the first business day that was cleared (UTC)."""
    values = window.values | {"began": began}
    last = await last_closed(connection, until=window.day)
    balances = await opening_balances(connection, last, window.day + timedelta(days=1))
    ours = {currency: amount for (code, currency), amount in balances.items() if code == values["account"]}
    theirs = await totals.held(connection, window.provider, window.day)
    opening = {row[0]: row[1] for row in await connection.execute(_OPENING, values)}
    apart = [
        Apart(*row) async for row in await connection.stream(_APART, values, execution_options={"yield_per": PAGE})
    ]
    return tie_out(window.provider, ours, theirs, opening, apart)
