"""What the lines of a business day add up to: added up when they are taken over, and read by everything that needs sums."""

from datetime import date
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing.settlement import Total
from storage.tables import STATEMENT_TOTALS, columns

_COLUMNS: Final = columns(STATEMENT_TOTALS, without=("provider", "business_date"))
_DAY: Final = "provider = :provider AND business_date = :day"
_FORGET = text(f"DELETE FROM statement_totals WHERE {_DAY}")  # noqa: S608
_ADD_UP = text(
    f"""
    INSERT INTO statement_totals (provider, business_date, {_COLUMNS})
    SELECT provider, business_date, kind, coalesce(method, ''), currency, coalesce(settlement_currency, currency),
           count(*), sum(amount), sum(coalesce(settled, amount)), sum(coalesce(fee, 0)), sum(coalesce(fee_tax, 0))
    FROM statement_lines WHERE {_DAY} AND withdrawn_at IS NULL GROUP BY 1, 2, 3, 4, 5, 6
    """  # noqa: S608
)
_OF_DAY = text(f"SELECT {_COLUMNS} FROM statement_totals WHERE {_DAY} ORDER BY {_COLUMNS}")  # noqa: S608
_HELD = text(
    """
    SELECT trim(settlement_currency), sum(settled - fee)::bigint FROM statement_totals
    WHERE provider = :provider AND business_date <= :day GROUP BY 1
    """
)


async def add_up(connection: AsyncConnection, provider: str, day: date) -> None:
    """Add the lines of a day up anew, in the caller's transaction."""
    for statement in (_FORGET, _ADD_UP):
        await connection.execute(statement, {"provider": provider, "day": day})


async def of_day(connection: AsyncConnection, provider: str, day: date) -> list[Total]:
    """The sums of a day's lines."""
    return [Total(*row) for row in await connection.execute(_OF_DAY, {"provider": provider, "day": day})]


async def held(connection: AsyncConnection, provider: str, day: date) -> dict[str, int]:
    """Currency → what the provider holds for us at the end of a business day by all its statements, minor units."""
    rows = await connection.execute(_HELD, {"provider": provider, "day": day})
    return {row[0]: row[1] for row in rows}
