"""Entries of the ledger that belong to no payment, and the first open day of a test's books."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

DAY = date(2026, 11, 20)
"""The first open day of :func:`books_begin`."""
NOON = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
"""Noon of that day in the zone of the books, Europe/Moscow."""


async def books_begin(engine: AsyncEngine, day: date = DAY) -> None:
    """Let the books begin on ``day``. Only before a day is closed."""
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE accounting_period SET first_open = :day"), {"day": day})


async def post(
    connection: AsyncConnection,
    amount: int = 100,
    *,
    posted_at: datetime = NOON,
    accounts: tuple[str, str] = ("fees:stripe", "clearing:stripe"),
    currency: str = "RUB",
    source: str | None = "clearing",
    **columns: Any,
) -> UUID:
    """A posting of ``amount`` from the second account to the first; ``columns``: further ones of its entries."""
    posting = uuid4()
    for account in accounts:
        kind, _, provider = account.partition(":")
        await connection.execute(
            text("INSERT INTO ledger_accounts VALUES (:code, :kind, :provider) ON CONFLICT DO NOTHING"),
            {"code": account, "kind": kind, "provider": provider or None},
        )
    further = "".join(f", {name}" for name in columns)
    values = "".join(f", :{name}" for name in columns)
    await connection.execute(
        text(
            "INSERT INTO ledger_entries (posting_id, line, account, amount, currency, posted_at, source, cause_kind,"
            f" cause_id{further}) VALUES (:id, 0, :debit, :amount, :currency, :posted_at, :source, 'fee', 'a'{values}),"
            f" (:id, 1, :credit, - CAST(:amount AS bigint), :currency, :posted_at, :source, 'fee', 'a'{values})"
        ),
        {"id": posting, "debit": accounts[0], "credit": accounts[1], "amount": amount, "currency": currency,
         "posted_at": posted_at, "source": source, **columns},
    )  # fmt: skip
    return posting


async def dates_of(connection: AsyncConnection, posting: UUID) -> tuple[date | None, date | None]:
    """The accounting date of a posting, and the day that it corrects."""
    rows = await connection.execute(
        text("SELECT DISTINCT accounting_date, corrects_date FROM ledger_entries WHERE posting_id = :id"),
        {"id": posting},
    )
    row = rows.one()
    return row[0], row[1]
