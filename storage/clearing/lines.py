"""Lines of statements: taken over from staging, and joined with the operations that they are about.

A line is joined by identity only: our operation's id, the provider's id of the movement, another id that it told of
before, the order's name where it leaves one candidate. Never by customer or date; by amount only between the refunds of
one payment.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Date, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing.naming import PAYMENT_LINES
from storage.tables import STATEMENT_STAGING

_READ: Final = [c.name for c in STATEMENT_STAGING.columns if c.name not in ("part", "number")]
_NAMES: Final = ", ".join(_READ)
_STAGED: Final = """
    SELECT s.*, row_number() OVER (PARTITION BY line_ref ORDER BY part, number) AS occurrence
    FROM statement_staging s WHERE provider = :provider AND business_date = :day
"""
_KEYS_MATCH: Final = """
    l.provider = r.provider AND l.business_date = r.business_date AND l.line_ref = r.line_ref
    AND l.occurrence = r.occurrence
"""
_CHANGED = text(
    f"""
    UPDATE statement_lines l
    SET ({_NAMES}) = ROW({", ".join(f"r.{name}" for name in _READ)}),
        earlier = CASE WHEN l.amount <> r.amount THEN array_append(l.earlier, l.amount) ELSE l.earlier END,
        withdrawn_at = NULL
    FROM ({_STAGED}) r
    WHERE {_KEYS_MATCH} AND (l.content <> r.content OR l.withdrawn_at IS NOT NULL)
    """  # noqa: S608
)
_WITHDRAWN = text(
    f"""
    UPDATE statement_lines l SET withdrawn_at = now()
    WHERE l.provider = :provider AND l.business_date = :day AND l.withdrawn_at IS NULL
      AND NOT EXISTS (SELECT FROM ({_STAGED}) r WHERE {_KEYS_MATCH})
    """  # noqa: S608
)
# The id of an operation of ours is in most lines: these are joined while they are inserted. That of a charge may be the
# one that opened the order: the charge is then the only one of its payment.
_NEW = text(
    f"""
    INSERT INTO statement_lines ({_NAMES}, occurrence, payment_id, operation_id, matched_by)
    SELECT {", ".join(f"r.{name}" for name in _READ)}, r.occurrence, o.payment_id,
           CASE WHEN o.type = ANY(CASE WHEN r.kind = 'charge' THEN ARRAY['CAPTURE', 'RECURRING']
                                       WHEN r.kind IN ('refund', 'refund_undone') THEN ARRAY['REFUND'] END) THEN o.id
                ELSE charged.id END,
           CASE WHEN o.id IS NOT NULL THEN 'own_id' END
    FROM ({_STAGED}) r
    LEFT JOIN operations o ON o.id = r.own_id AND o.provider = r.provider
    LEFT JOIN LATERAL (
        SELECT min(c.id::text)::uuid AS id FROM operations c
        WHERE c.payment_id = o.payment_id AND c.provider = r.provider AND c.status = 'SUCCESS'
          AND c.type IN ('CAPTURE', 'RECURRING')
        HAVING count(*) = 1
    ) charged ON r.kind = 'charge'
    WHERE NOT EXISTS (SELECT FROM statement_lines l WHERE {_KEYS_MATCH})
    """  # noqa: S608
)
_OF_WINDOW: Final = """
    x.provider = :provider AND x.business_date BETWEEN :first AND :day AND x.withdrawn_at IS NULL
    AND x.operation_id IS NULL AND x.kind IN ('charge', 'refund', 'refund_undone', 'chargeback', 'chargeback_undone')
"""
_PAYMENTS = text(
    f"""
    UPDATE statement_lines l SET payment_id = found.payment_id, matched_by = found.by
    FROM (
        SELECT DISTINCT ON (x.business_date, x.line_ref, x.occurrence)
               x.business_date, x.line_ref, x.occurrence, f.payment_id, f.by
        FROM statement_lines x
        CROSS JOIN LATERAL (
            SELECT o.payment_id, 1 AS rank, 'own_id' AS by FROM operations o
            WHERE o.id = x.own_id AND o.provider = x.provider
            UNION ALL
            SELECT o.payment_id, 2, 'provider_ref' FROM operations o
            WHERE o.provider_ref = x.provider_ref AND o.provider_ref IS DISTINCT FROM o.id::text
              AND o.provider = x.provider
            UNION ALL
            SELECT a.payment_id, 3, 'alias' FROM provider_aliases a
            WHERE a.provider = x.provider
              AND a.alias = ANY(x.aliases || ARRAY[x.provider_ref, x.order_ref])
            UNION ALL
            SELECT o.payment_id, 4, 'order_ref' FROM operations o
            WHERE o.provider_ref = x.order_ref AND o.provider_ref IS DISTINCT FROM o.id::text
              AND o.provider = x.provider
            UNION ALL
            SELECT o.payment_id, 5, 'order_ref' FROM operations o
            WHERE o.id = CASE WHEN x.order_ref ~* '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$' THEN x.order_ref::uuid END
              AND o.provider = x.provider
        ) f
        WHERE {_OF_WINDOW} AND x.payment_id IS NULL
        ORDER BY x.business_date, x.line_ref, x.occurrence, f.rank
    ) found
    WHERE l.provider = :provider AND l.business_date = found.business_date AND l.line_ref = found.line_ref
      AND l.occurrence = found.occurrence
    """  # noqa: S608
)
# Within a payment: the provider's id of the movement, else the only one that it can be. Of refunds that have no line yet,
# the only one of exactly this amount.
_OPERATIONS = text(
    f"""
    UPDATE statement_lines l SET operation_id = found.id
    FROM (
        SELECT x.business_date, x.line_ref, x.occurrence,
               coalesce(min(c.id::text) FILTER (WHERE c.named), min(c.id::text))::uuid AS id
        FROM statement_lines x
        CROSS JOIN LATERAL (
            SELECT o.id, o.provider_ref = x.provider_ref AS named FROM operations o
            WHERE o.payment_id = x.payment_id AND o.provider = x.provider AND o.status = 'SUCCESS'
              AND CASE WHEN x.kind = 'charge' THEN o.type IN ('CAPTURE', 'RECURRING')
                       WHEN x.kind IN ('refund', 'refund_undone') THEN o.type = 'REFUND' AND (
                           o.provider_ref = x.provider_ref OR (
                               o.amount = abs(x.amount) AND (x.kind = 'refund_undone' OR NOT EXISTS (
                                   SELECT FROM statement_lines other
                                   WHERE other.operation_id = o.id AND other.withdrawn_at IS NULL
                               ))
                           )
                       )
                  END
        ) c
        WHERE {_OF_WINDOW} AND x.payment_id IS NOT NULL
          AND x.kind IN ('charge', 'refund', 'refund_undone')
        GROUP BY x.business_date, x.line_ref, x.occurrence
        HAVING count(*) = 1 OR count(*) FILTER (WHERE c.named) = 1
    ) found
    WHERE l.provider = :provider AND l.business_date = found.business_date AND l.line_ref = found.line_ref
      AND l.occurrence = found.occurrence
    """  # noqa: S608
)
_CHARGEBACKS = text(
    f"""
    SELECT business_date, line_ref, occurrence, kind, payment_id, abs(amount), provider_ref, order_ref, at
    FROM statement_lines x
    WHERE {_OF_WINDOW} AND x.payment_id IS NOT NULL AND x.kind IN ('chargeback', 'chargeback_undone')
    ORDER BY at, line_ref
    """  # noqa: S608
)
# Bound to the operation that the payment is to make of it, which is not there yet.
_UNBOOKED = text(
    """
    SELECT business_date, line_ref, occurrence, kind, payment_id, abs(amount), provider_ref, order_ref, at
    FROM statement_lines x
    WHERE x.provider = :provider AND x.business_date BETWEEN :first AND :day AND x.withdrawn_at IS NULL
      AND x.kind IN ('chargeback', 'chargeback_undone') AND x.operation_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM operations o WHERE o.id = x.operation_id)
    ORDER BY at, line_ref
    """
)
_BOOK_CHARGEBACK = text(
    """
    UPDATE statement_lines SET operation_id = :operation_id, matched_by = coalesce(matched_by, 'line')
    WHERE provider = :provider AND business_date = :day AND line_ref = :line_ref AND occurrence = :occurrence
    """
)
_PAYOUTS = text(
    """
    SELECT business_date, payout_ref, coalesce(settled, amount), trim(coalesce(settlement_currency, currency))
    FROM statement_lines
    WHERE provider = :provider AND business_date = ANY(:days) AND kind = 'payout' AND withdrawn_at IS NULL
      AND payout_ref IS NOT NULL
    ORDER BY business_date, payout_ref
    """
).bindparams(bindparam("days", type_=ARRAY(Date)))
_ANALYZE = text("ANALYZE statement_lines")
_COUNTS = text(
    """
    SELECT count(*), count(*) FILTER (WHERE operation_id IS NULL AND kind = ANY(:kinds)),
           count(*) FILTER (WHERE operation_id IS NULL AND payment_id IS NULL AND kind = ANY(:kinds))
    FROM statement_lines
    WHERE provider = :provider AND business_date = :day AND withdrawn_at IS NULL
    """
)


class Taken(msgspec.Struct, frozen=True):
    """What taking a day's statement over changed, in lines."""

    new: int
    changed: int
    withdrawn: int


class Payout(msgspec.Struct, frozen=True):
    """A payout. ``amount``: signed minor units: negative where the provider paid out to us."""

    day: date
    payout_ref: str
    amount: int
    currency: str


class Counts(msgspec.Struct, frozen=True):
    """The lines of a day. ``loose``: those that should have an operation and have none; ``unknown``: those of them that name
    no payment of ours either."""

    lines: int
    loose: int
    unknown: int


class ChargebackLine(msgspec.Struct, frozen=True):
    """A line of a dispute, bound to its operation or not. ``amount``: minor units, not signed."""

    day: date
    line_ref: str
    occurrence: int
    kind: str
    payment_id: UUID
    amount: int
    provider_ref: str | None
    order_ref: str | None
    at: datetime


async def take(connection: AsyncConnection, provider: str, day: date) -> Taken:
    """Take the staged statement of a day over, in the caller's transaction: it is whole. A line that is there already and
    says the same stays as it is."""
    key = {"provider": provider, "day": day}
    changed = (await connection.execute(_CHANGED, key)).rowcount
    withdrawn = (await connection.execute(_WITHDRAWN, key)).rowcount
    new = (await connection.execute(_NEW, key)).rowcount
    return Taken(new, changed, withdrawn)


async def join(connection: AsyncConnection, provider: str, first: date, day: date) -> list[ChargebackLine]:
    """Join the lines of these days that have no operation yet; returns those of disputes, which get one each."""
    window = {"provider": provider, "first": first, "day": day}
    await connection.execute(_PAYMENTS, window)
    await connection.execute(_OPERATIONS, window)
    return [ChargebackLine(*row) for row in await connection.execute(_CHARGEBACKS, window)]


async def bind(connection: AsyncConnection, provider: str, line: ChargebackLine, operation_id: UUID) -> None:
    """Say which operation a dispute's line is."""
    values = {"provider": provider, "day": line.day, "line_ref": line.line_ref, "occurrence": line.occurrence}
    await connection.execute(_BOOK_CHARGEBACK, values | {"operation_id": operation_id})


async def unbooked_chargebacks(
    connection: AsyncConnection, provider: str, first: date, day: date
) -> list[ChargebackLine]:
    """The lines of disputes that their payment has not booked yet."""
    window = {"provider": provider, "first": first, "day": day}
    return [ChargebackLine(*row) for row in await connection.execute(_UNBOOKED, window)]


async def payouts(connection: AsyncConnection, provider: str, days: Sequence[date]) -> list[Payout]:
    """The payouts of these business days."""
    rows = await connection.execute(_PAYOUTS, {"provider": provider, "days": list(days)})
    return [Payout(*row) for row in rows]


async def analyze(connection: AsyncConnection) -> None:
    """Tell Postgres' planner of the lines that were taken over and joined. It would do so by itself a minute later; until
    then it expects a handful, and looks through all lines for each operation."""
    await connection.execute(_ANALYZE)


async def counts(connection: AsyncConnection, provider: str, day: date) -> Counts:
    """The lines of a day."""
    values = {"provider": provider, "day": day, "kinds": list(PAYMENT_LINES)}
    return Counts(*(await connection.execute(_COUNTS, values)).one())
