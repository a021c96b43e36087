"""What ClickHouse should hold: counts and sums per group, and the single rows of a day."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Date, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

#: The first 32 bits of an MD5 over each key and value of an order's metadata, added up.
_METADATA: Final = """
    coalesce((SELECT sum(('x' || substr(md5(m.key || '=' || m.value), 1, 8))::bit(32)::bigint)
              FROM jsonb_each_text(o.metadata) m), 0)
"""
#: What clearing tells besides discrepancies: the last version of each subject.
_CLEARING: Final = """
    SELECT id, type, key, (body ->> 'business_date')::date AS day, max(version) AS version FROM clearing_events
    WHERE type IN ('billing.clearing.day.v1', 'billing.clearing.lost_callbacks.v1', 'billing.clearing.payout.v1')
    GROUP BY 1, 2, 3, 4
"""
#: What is compared → counts and sums per (day, provider, currency, state). The day (UTC) is the day of creation. For the
#: ledger it is the day of posting, the state is the account, and only payments' own entries count, as in ClickHouse; for a
#: period the day of its start, and no provider; for an attempt the day of its request; for clearing the business day.
#: ``:day`` NULL: all days.
_GROUPS: Final[dict[str, str]] = {
    "payments": f"""
        SELECT (p.created_at AT TIME ZONE 'UTC')::date, p.provider, trim(p.currency), p.status,
               count(*), sum(p.amount), sum(p.authorized), sum(p.captured), sum(p.refunded), sum({_METADATA})
        FROM payments p JOIN orders o ON o.id = p.order_id
        WHERE cast(:day AS date) IS NULL OR (p.created_at AT TIME ZONE 'UTC')::date = :day GROUP BY 1, 2, 3, 4
    """,  # noqa: S608 - of constants
    "operations": """
        SELECT (o.created_at AT TIME ZONE 'UTC')::date, o.provider, trim(p.currency), o.type || ' ' || o.status,
               count(*), sum(o.amount)
        FROM operations o JOIN payments p ON p.id = o.payment_id
        WHERE cast(:day AS date) IS NULL OR (o.created_at AT TIME ZONE 'UTC')::date = :day GROUP BY 1, 2, 3, 4
    """,
    "ledger": """
        SELECT (e.posted_at AT TIME ZONE 'UTC')::date, p.provider, trim(e.currency), e.account, count(*), sum(e.amount)
        FROM ledger_entries e JOIN payments p ON p.id = e.payment_id
        WHERE e.source = 'payment' AND (cast(:day AS date) IS NULL OR (e.posted_at AT TIME ZONE 'UTC')::date = :day)
        GROUP BY 1, 2, 3, 4
    """,
    "subscriptions": """
        SELECT (created_at AT TIME ZONE 'UTC')::date, provider, trim(currency), status, count(*), sum(amount)
        FROM subscriptions
        WHERE cast(:day AS date) IS NULL OR (created_at AT TIME ZONE 'UTC')::date = :day GROUP BY 1, 2, 3, 4
    """,
    "periods": """
        SELECT (start_at AT TIME ZONE 'UTC')::date, '', trim(currency), status, count(*), sum(amount)
        FROM subscription_periods
        WHERE cast(:day AS date) IS NULL OR (start_at AT TIME ZONE 'UTC')::date = :day GROUP BY 1, 2, 3, 4
    """,
    "attempts": """
        SELECT (requested_at AT TIME ZONE 'UTC')::date, provider, trim(currency), state, count(*), sum(amount)
        FROM renewal_attempts
        WHERE cast(:day AS date) IS NULL OR (requested_at AT TIME ZONE 'UTC')::date = :day GROUP BY 1, 2, 3, 4
    """,
    "discrepancies": """
        SELECT (opened_at AT TIME ZONE 'UTC')::date, provider, coalesce(trim(currency), ''), kind || ' ' || state, count(*),
               sum(coalesce(theirs, 0) - coalesce(ours, 0))
        FROM discrepancies
        WHERE cast(:day AS date) IS NULL OR (opened_at AT TIME ZONE 'UTC')::date = :day GROUP BY 1, 2, 3, 4
    """,
    "clearing": f"""
        SELECT day, key, '', type, count(*), sum(version) FROM ({_CLEARING}) AS told
        WHERE cast(:day AS date) IS NULL OR day = :day GROUP BY 1, 2, 4
    """,  # noqa: S608 - of constants
}
#: What is compared → (key, id of the payment, subscription or subject, the compared values), of one day.
_ROWS: Final[dict[str, str]] = {
    "payments": f"""
        SELECT p.id::text, p.id, concat_ws('|', p.version, p.status, p.amount, p.authorized, p.captured, p.refunded,
                                           p.provider, trim(p.currency), {_METADATA})
        FROM payments p JOIN orders o ON o.id = p.order_id WHERE (p.created_at AT TIME ZONE 'UTC')::date = :day
    """,  # noqa: S608 - of constants
    "operations": """
        SELECT o.id::text, o.payment_id, concat_ws('|', o.type, o.status, o.amount, o.provider, trim(p.currency))
        FROM operations o JOIN payments p ON p.id = o.payment_id
        WHERE (o.created_at AT TIME ZONE 'UTC')::date = :day
    """,
    "ledger": """
        SELECT posting_id || '/' || line, payment_id, concat_ws('|', account, amount, trim(currency))
        FROM ledger_entries WHERE source = 'payment' AND (posted_at AT TIME ZONE 'UTC')::date = :day
    """,
    "subscriptions": """
        SELECT id::text, id, concat_ws('|', version, status, plan, amount, provider, trim(currency))
        FROM subscriptions WHERE (created_at AT TIME ZONE 'UTC')::date = :day
    """,
    "periods": """
        SELECT subscription_id || '/' || number, subscription_id,
               concat_ws('|', version, status, amount, trim(currency), paid_by,
                         (extract(epoch FROM end_at) * 1000000)::bigint)
        FROM subscription_periods WHERE (start_at AT TIME ZONE 'UTC')::date = :day
    """,
    "attempts": """
        SELECT payment_id::text, subscription_id, concat_ws('|', version, state, amount, provider, trim(currency))
        FROM renewal_attempts WHERE (requested_at AT TIME ZONE 'UTC')::date = :day
    """,
    "discrepancies": """
        SELECT id::text, id, concat_ws('|', version, kind, state, coalesce(theirs, 0) - coalesce(ours, 0),
                                       coalesce(trim(currency), ''))
        FROM discrepancies WHERE (opened_at AT TIME ZONE 'UTC')::date = :day
    """,
    "clearing": f"""
        SELECT concat_ws(' ', day, key, CASE type WHEN 'billing.clearing.payout.v1' THEN id END, type), id, version::text
        FROM ({_CLEARING}) AS told WHERE day = :day
    """,  # noqa: S608 - of constants
}

Group = tuple[date, str, str, str]
"""Day, provider, currency, state."""


async def groups(connection: AsyncConnection, kind: str, day: date | None) -> dict[Group, tuple[int, ...]]:
    """Group → count, then sums (minor units); of payments, last a checksum of their metadata."""
    return _grouped(
        await connection.execute(text(_GROUPS[kind]).bindparams(bindparam("day", type_=Date)), {"day": day})
    )


async def rows_of(connection: AsyncConnection, kind: str, day: date) -> Mapping[str, tuple[UUID, str]]:
    """Key → payment or subscription, and the compared values of the row."""
    found = await connection.execute(text(_ROWS[kind]).bindparams(bindparam("day", type_=Date)), {"day": day})
    return {row[0]: (row[1], row[2]) for row in found}


def _grouped(rows: Any) -> dict[Group, tuple[int, ...]]:
    return {tuple(row[:4]): tuple(map(int, row[4:])) for row in rows}
