"""Operations of the benchmark of clearing, the register that states them, and the faults in it."""

import csv
import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from billing.clearing.discrepancies import Kind
from billing.payments.statement import line_operation_id
from billing.vocabulary import OperationType
from providers.registry import PLUGINS
from providers.sandbox.statements import COLUMNS
from providers.settlement import MOSCOW

#: One whose statements are registers.
PROVIDER: Final = next(name for name in sorted(PLUGINS) if hasattr(PLUGINS[name].settings, "map_name"))
PRICE: Final = 59_900
REFUND: Final = 100
#: Every tenth operation is a refund of the payment before it, the others are captures.
_REFUND_AT: Final = 9
#: A fault of each kind in so many operations.
ONE_IN: Final = 1_000
#: Kind → the operation of a thousand at which its fault is.
FAULT_AT: Final[dict[Kind, int]] = {
    Kind.LATE: 0,
    Kind.AMOUNT_DIFFERS: 10,
    Kind.CURRENCY_DIFFERS: 20,
    Kind.TAKEN_TWICE: 30,
    Kind.UNKNOWN_PAYMENT: 40,
    Kind.UNCLASSIFIED_LINE: 50,
    Kind.MISSING_HERE: 60,
    Kind.CHARGEBACK: 70,
    Kind.REFUND_UNDONE: 509,
}
_KIND_AT: Final = {at: kind for kind, at in FAULT_AT.items()}
_ZONE: Final = ZoneInfo(MOSCOW)

_AT: Final = "CAST($2 AS timestamptz) + n * interval '86400 seconds' / CAST($1 AS integer)"
_NUMBERS: Final = f"generate_series(0, CAST($1 AS integer) - 1) AS n WHERE n % 10 <> {_REFUND_AT}"
_REFUNDS: Final = f"generate_series(0, CAST($1 AS integer) - 1) AS n WHERE n % 10 = {_REFUND_AT}"
_ID: Final = "md5('{0}/' || {1})::uuid"
_OPERATION: Final = """
    INSERT INTO operations (id, payment_id, type, action, status, amount, provider, provider_ref, chases, corrections,
                            version, created_at, updated_at, learnt_by)
"""
_FILL: Final = (
    f"""
    INSERT INTO payments (id, client_id, fingerprint, order_id, provider, capture_mode, status, version, order_ref,
                          currency, amount, authorized, captured, refunded, refund_pending, hold_s, save_method,
                          created_at, updated_at, expires_at, charged_back)
    SELECT {_ID.format("payment", "n")}, 'bench', '', {_ID.format("order", "n")}, '{PROVIDER}', 'ONE_STAGE', 'CAPTURED', 3,
           'bench-' || n, 'RUB', {PRICE}, {PRICE}, {PRICE}, CASE n % 10 WHEN {_REFUND_AT - 1} THEN {REFUND} ELSE 0 END,
           0, 0, false, {_AT}, {_AT}, {_AT}, 0
    FROM {_NUMBERS}
    """,  # noqa: S608 - of constants
    f"""
    {_OPERATION}
    SELECT {_ID.format("charge", "n")}, {_ID.format("payment", "n")}, 'AUTHORIZE', 'CREATE', 'SUCCESS', {PRICE},
           '{PROVIDER}', 'bench-' || n, 0, '{{}}', 3, {_AT}, {_AT}, 'callback'
    FROM {_NUMBERS}
    """,  # noqa: S608 - of constants
    f"""
    {_OPERATION}
    SELECT {_ID.format("operation", "n")}, {_ID.format("payment", "n")}, 'CAPTURE', 'CAPTURE', 'SUCCESS', {PRICE},
           '{PROVIDER}', NULL, 0, '{{}}', 3, {_AT}, {_AT}, 'callback'
    FROM {_NUMBERS}
    """,  # noqa: S608 - of constants
    f"""
    {_OPERATION}
    SELECT {_ID.format("operation", "n")}, {_ID.format("payment", "n - 1")}, 'REFUND', 'REFUND', 'SUCCESS', {REFUND},
           '{PROVIDER}', 'refund-' || n, 0, '{{}}', 3, {_AT}, {_AT}, 'answer'
    FROM {_REFUNDS}
    """,  # noqa: S608 - of constants
    f"""
    INSERT INTO ledger_accounts (code, kind, provider)
    VALUES ('clearing:{PROVIDER}', 'clearing', '{PROVIDER}'), ('revenue', 'revenue', NULL) ON CONFLICT DO NOTHING
    """,  # noqa: S608 - of constants
    f"""
    INSERT INTO ledger_entries (posting_id, line, account, amount, currency, payment_id, operation_id, posted_at, source,
                                accounting_date)
    SELECT {_ID.format("posting", "n")}, line, account, sign * CASE n % 10 WHEN {_REFUND_AT} THEN -{REFUND} ELSE {PRICE} END,
           'RUB', {_ID.format("payment", f"(n - (n % 10) / {_REFUND_AT})")}, {_ID.format("operation", "n")}, {_AT}, 'payment',
           CAST({_AT} AS date)
    FROM generate_series(0, CAST($1 AS integer) - 1) AS n,
         (VALUES (0, 'clearing:{PROVIDER}', 1), (1, 'revenue', -1)) AS entry (line, account, sign)
    """,  # noqa: S608 - of constants
)  # fmt: skip
_FOUND: Final = """
    SELECT kind, coalesce(operation_id::text, detail ->> 'line') FROM discrepancies WHERE provider = $1
"""


class _Row(NamedTuple):
    """A row of the register, in the order of its columns."""

    type: str
    order: str
    line: str
    own: str
    amount: str
    fee: str
    currency: str
    time: str
    payout: str = ""


class Named(NamedTuple):
    """A fault, or what a run made of one. ``subject``: an operation, or the provider's id of a line."""

    kind: str
    subject: str


async def fill(postgres: asyncpg.Connection, number: int, start: datetime) -> None:
    """Store so many operations that moved money on the day that begins at ``start`` (UTC), and what they belong to."""
    async with postgres.transaction():
        await postgres.execute(
            "SET LOCAL session_replication_role = replica"
        )  # nobody dates these entries, nor checks them
        for statement in _FILL:
            arguments = (number, start) if "$2" in statement else ()
            await postgres.execute(statement, *arguments)
    for table in ("payments", "operations", "ledger_entries"):
        await postgres.execute(f"VACUUM ANALYZE {table}")


async def found(postgres: asyncpg.Connection) -> list[Named]:
    """The discrepancies."""
    return [Named(*row) for row in await postgres.fetch(_FOUND, PROVIDER)]


def write_register(path: Path, number: int, start: datetime) -> list[Named]:
    """Write the day's register of so many operations; returns the faults in it."""
    seeded = []
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for n in range(number):
            at = (start + timedelta(seconds=n * 86_400 / number)).astimezone(_ZONE).isoformat()
            kind = _KIND_AT.get(n % ONE_IN)
            writer.writerows(_rows(n, kind, at))
            if kind is not None:
                seeded.append(_named(n, kind))
    return seeded


def _rows(n: int, kind: Kind | None, at: str) -> Iterator[_Row]:
    if n % 10 == _REFUND_AT:
        right = _Row("REFUND", f"bench-{n - 1}", f"refund-{n}", str(_id("operation", n)), "-1.00", "0.00", "RUB", at)
    else:
        # The provider echoes the id of the operation that opened the order, as for a payment in one stage.
        right = _Row("CAPTURE", f"bench-{n}", f"charge-{n}", str(_id("charge", n)), "599.00", "5.00", "RUB", at)
    match kind:
        case Kind.LATE:
            return
        case Kind.AMOUNT_DIFFERS:
            yield right._replace(amount="600.00")
        case Kind.CURRENCY_DIFFERS:
            yield right._replace(currency="USD")
        case _:
            yield right
    yield from _beside(n, right, kind)


def _beside(n: int, right: _Row, kind: Kind | None) -> Iterator[_Row]:
    """The row that should not be there."""
    match kind:
        case Kind.TAKEN_TWICE:
            yield right._replace(line=f"again-{n}")
        case Kind.UNKNOWN_PAYMENT:
            yield right._replace(order=f"nobody-{n}", line=f"stranger-{n}", own="")
        case Kind.UNCLASSIFIED_LINE:
            yield right._replace(type="Mystery", order="", line=f"mystery-{n}", own="")
        case Kind.MISSING_HERE:
            yield right._replace(type="REFUND", line=f"by-hand-{n}", own="", amount="-2.00")
        case Kind.CHARGEBACK:
            yield right._replace(type="Chargeback", line=f"dispute-{n}", own="", amount="-3.00")
        case Kind.REFUND_UNDONE:
            yield right._replace(type="CancelRefund", line=f"undone-{n}", amount="1.00")


def _named(n: int, kind: Kind) -> Named:
    match kind:
        case Kind.UNKNOWN_PAYMENT:
            return Named(kind, f"stranger-{n}")
        case Kind.UNCLASSIFIED_LINE:
            return Named(kind, f"mystery-{n}")
        case Kind.MISSING_HERE:
            return Named(kind, f"by-hand-{n}")
        case Kind.CHARGEBACK:
            disputed = line_operation_id(_id("payment", n), PROVIDER, f"dispute-{n}", OperationType.CHARGEBACK)
            return Named(kind, str(disputed))
        case _:
            return Named(kind, str(_id("operation", n)))


def _id(what: str, n: int) -> UUID:
    return UUID(hashlib.md5(f"{what}/{n}".encode(), usedforsecurity=False).hexdigest())
