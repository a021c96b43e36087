"""The lines of statements that a discrepancy is about."""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Date, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.clearing.discrepancies import Discrepancy

_COLUMNS: Final = """
    business_date, line_ref, occurrence, kind, amount, trim(currency) AS currency, fee, at, raw_type, order_ref, provider_ref,
    payout_ref, coalesce(earlier, '{}') AS earlier, withdrawn_at FROM statement_lines
"""
_ORDER: Final = "ORDER BY business_date, line_ref, occurrence LIMIT :limit"
_OF_OPERATION = text(
    f"SELECT {_COLUMNS} WHERE operation_id = :operation_id AND provider = :provider {_ORDER}"
).bindparams(bindparam("operation_id", type_=Uuid))
_ONE = text(
    f"SELECT {_COLUMNS} WHERE provider = :provider AND business_date = :day AND line_ref = :line_ref"
    f" AND occurrence = :occurrence {_ORDER}"
).bindparams(bindparam("day", type_=Date))
_OF_PAYOUT = text(
    f"SELECT {_COLUMNS} WHERE provider = :provider AND business_date BETWEEN :day - 31 AND :day"
    f" AND kind IN ('payout', 'payout_failed') AND payout_ref = :payout_ref {_ORDER}"
).bindparams(bindparam("day", type_=Date))


class Line(msgspec.Struct, frozen=True):
    """A line. ``amount``, ``fee``: signed minor units of ``currency``; ``earlier``: the amounts that it had before; ``at``,
    ``withdrawn_at``: UTC."""

    business_date: date
    line_ref: str
    occurrence: int
    kind: str
    amount: int
    currency: str
    fee: int | None
    at: datetime
    raw_type: str | None
    order_ref: str | None
    provider_ref: str | None
    payout_ref: str | None
    earlier: list[int]
    withdrawn_at: datetime | None


async def lines_of(connection: AsyncConnection, discrepancy: Discrepancy, limit: int) -> list[Line]:
    """The lines of the discrepancy's operation, or its own line, also where they were withdrawn; at most ``limit``. None
    where it is about a day as a whole."""
    about, _, name = discrepancy.subject.partition(":")
    values: dict[str, Any] = {"provider": discrepancy.provider, "limit": limit}
    match about:
        case "operation":
            return await _read(connection, _OF_OPERATION, values | {"operation_id": UUID(name)})
        case "line" | "fee":
            day, _, line = name.partition(":")
            line_ref, _, occurrence = line.rpartition("#")
            key = {"day": date.fromisoformat(day), "line_ref": line_ref, "occurrence": int(occurrence)}
            return await _read(connection, _ONE, values | key)
        case "payout":
            key = {"day": discrepancy.business_date, "payout_ref": name}
            return await _read(connection, _OF_PAYOUT, values | key)
    return []


async def _read(connection: AsyncConnection, statement: Any, values: dict[str, Any]) -> list[Line]:
    rows = (await connection.execute(statement, values)).mappings()
    return [msgspec.convert(dict(row), Line) for row in rows]
