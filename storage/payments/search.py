"""Payments that a person looks for: point look-ups, and scans that read a bounded number of rows whatever is asked.

A scan reads the newest rows of one index, at most ``BUDGET`` of them, and shows those that meet the other conditions. Where
it stops before the page is full, it says how far it looked, and can go on from there. Nothing is counted or skipped.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.money import EXPONENTS

#: Rows that one scan reads. Measured: 6 to 11 ms warm.
BUDGET: Final = 20_000
#: Payments that a point look-up shows: a reference names one payment, a subscription or an order a few.
POINTS: Final = 50
#: Digits after the decimal point of an amount whose currency is not named.
DIGITS: Final = 2


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What a payment has to meet; ``None`` and ``()`` ask nothing. ``amount``: from and to, both included, minor units of
    ``currency``, or of every currency with two digits. ``created_from`` is inclusive, ``created_to`` exclusive (UTC)."""

    last4: str | None = None
    amount: tuple[int, int] | None = None
    currency: str | None = None
    customer_id: str | None = None
    provider: str | None = None
    statuses: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None


class Place(NamedTuple):
    """A payment's place in a scan: the next one begins after it."""

    created_at: datetime
    id: UUID


class Found(msgspec.Struct, frozen=True):
    """One payment of a list. Amounts in minor units of ``currency``, times in UTC."""

    id: UUID
    created_at: datetime
    status: str
    amount: int
    captured: int
    refunded: int
    currency: str
    provider: str
    customer_id: str
    client_id: str
    last4: str | None
    contradiction: str | None


class Page(msgspec.Struct, frozen=True):
    """``following``: where the next scan begins, ``None`` at the end. ``is_full``: it stopped because the page is full;
    otherwise ``following`` is how far it looked."""

    payments: tuple[Found, ...]
    following: Place | None
    is_full: bool


_COLUMNS: Final = (
    "p.id, p.created_at, p.status, p.amount, p.captured, p.refunded, p.currency, p.provider, o.customer_id, p.client_id,"
    " p.method_last4, p.contradiction"
)
_BY_ID: Final = text(
    f"""
    SELECT {_COLUMNS} FROM payments p JOIN orders o ON o.id = p.order_id
    WHERE p.id IN (
        SELECT id FROM payments WHERE id = :id
        UNION SELECT id FROM payments WHERE order_id = :id
        UNION SELECT payment_id FROM operations WHERE id = :id
        UNION (SELECT payment_id FROM renewal_attempts WHERE subscription_id = :id ORDER BY period DESC, number DESC
               LIMIT :limit)
    )
    ORDER BY p.created_at DESC, p.id DESC LIMIT :limit
    """  # noqa: S608 - made of the fragments above
)
_BY_REFERENCE: Final = text(
    f"""
    SELECT {_COLUMNS} FROM payments p JOIN orders o ON o.id = p.order_id
    WHERE p.id IN (
        (SELECT payment_id FROM operations
         WHERE provider_ref = :reference AND provider_ref IS DISTINCT FROM id::text LIMIT :limit)
        UNION (SELECT payment_id FROM provider_aliases WHERE alias = :reference AND provider = ANY(:providers))
    )
    ORDER BY p.created_at DESC, p.id DESC LIMIT :limit
    """  # noqa: S608 - made of the fragments above
).bindparams(bindparam("providers", type_=ARRAY(Text)))

#: The states with an index of their own: few payments are in them.
_OPEN: Final = frozenset(("PENDING", "AUTHORIZED"))


async def find_by_id(connection: AsyncConnection, id: UUID) -> list[Found]:
    """The payments with this id, or of the order, operation or subscription with it, the newest first."""
    return _found(await connection.execute(_BY_ID, {"id": id, "limit": POINTS}))


async def find_by_reference(connection: AsyncConnection, reference: str, providers: Sequence[str]) -> list[Found]:
    """The payments that one of the ``providers`` knows by this name of an order, a charge or a refund."""
    values = {"reference": reference, "providers": list(providers), "limit": POINTS}
    return _found(await connection.execute(_BY_REFERENCE, values))


async def scan(
    connection: AsyncConnection, conditions: Conditions, after: Place | None, limit: int, budget: int = BUDGET
) -> Page:
    """At most ``limit`` payments, the newest first, starting after ``after``; reads at most ``budget`` rows."""
    sql, values = statement(conditions, after, limit, budget)
    rows = (await connection.execute(text(sql), values)).all()
    # The first row is how far the scan looked: the others are payments.
    looked, ended_at, ended_id = rows[0][-3:]
    payments = _found([row[:-3] for row in rows if row[0] is not None])
    if len(payments) > limit:
        payments = payments[:limit]
        return Page(tuple(payments), Place(payments[-1].created_at, payments[-1].id), is_full=True)
    following = Place(ended_at, ended_id) if looked == budget else None
    return Page(tuple(payments), following, is_full=False)


def statement(conditions: Conditions, after: Place | None, limit: int, budget: int) -> tuple[str, dict[str, Any]]:
    """The statement of one scan and its parameters: the rows of one index, then the other conditions on them."""
    values: dict[str, Any] = {"limit": limit + 1, "budget": budget}
    read, rest = _split(conditions, values)
    order_time = "o.created_at" if conditions.customer_id is not None else "p.created_at"
    for name, comparison in (("created_from", ">="), ("created_to", "<")):
        if (moment := getattr(conditions, name)) is not None:
            read.append(f"{order_time} {comparison} :{name}")
            values[name] = moment
    if after is not None:
        read.append(f"({order_time}, p.id) < (:after_at, :after_id)")
        values |= {"after_at": after.created_at, "after_id": after.id}
    of_customer = conditions.customer_id is not None
    source = "orders o JOIN payments p ON p.order_id = o.id" if of_customer else "payments p"
    where = f"WHERE {' AND '.join(read)}" if read else ""
    sql = f"""
        WITH looked AS MATERIALIZED (
            SELECT p.id, p.created_at, p.status, p.amount, p.captured, p.refunded, p.currency, p.provider, p.order_id,
                   p.client_id, p.method_last4, p.contradiction
            FROM {source} {where}
            ORDER BY {order_time} DESC, p.id DESC LIMIT :budget
        ), shown AS (
            SELECT {_COLUMNS} FROM (
                SELECT * FROM looked p {f"WHERE {' AND '.join(rest)}" if rest else ""}
                ORDER BY p.created_at DESC, p.id DESC LIMIT :limit
            ) p JOIN orders o ON o.id = p.order_id
        ), ended AS (
            SELECT (SELECT count(*) FROM looked) AS looked, l.created_at AS ended_at, l.id AS ended_id
            FROM (SELECT 1) one LEFT JOIN (SELECT created_at, id FROM looked ORDER BY created_at, id LIMIT 1) l ON true
        )
        SELECT shown.*, ended.* FROM ended LEFT JOIN shown ON true ORDER BY shown.created_at DESC, shown.id DESC
    """  # noqa: S608 - made of the fragments above
    return sql, values


def _split(conditions: Conditions, values: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The condition that an index answers, and those on what it finds; their parameters are added to ``values``."""
    read: list[str] = []
    rest: list[str] = []
    for name, column in (("customer_id", "o.customer_id"), ("last4", "p.method_last4")):
        if (value := getattr(conditions, name)) is not None:
            (rest if read else read).append(f"{column} = :{name}")
            values[name] = value
    if conditions.amount is not None:
        values |= dict(zip(("amount_from", "amount_to"), conditions.amount, strict=True))
        if len(set(conditions.amount)) == 1:
            (rest if read else read).append("p.amount = :amount_from")
        else:
            rest.append("p.amount BETWEEN :amount_from AND :amount_to")
    if conditions.statuses:
        rest.append("p.status = ANY(CAST(:statuses AS text[]))")
        values["statuses"] = list(conditions.statuses)
        if not read and _OPEN.issuperset(conditions.statuses):
            read.append("p.status IN ('PENDING', 'AUTHORIZED')")
    if conditions.provider is not None:
        rest.append("p.provider = :provider")
        values["provider"] = conditions.provider
    if conditions.currency is not None:
        rest.append("p.currency = :currency")
        values["currency"] = conditions.currency
    elif conditions.amount is not None:
        rest.append("p.currency = ANY(CAST(:currencies AS text[]))")
        values["currencies"] = sorted(code for code, digits in EXPONENTS.items() if digits == DIGITS)
    return read, rest


def _found(rows: Any) -> list[Found]:
    return [Found(*row) for row in rows]
