"""Registers: the CSV files that are the statements of providers without list calls.

Yandex Pay and T-Bank offer theirs in their consoles, in columns that neither publishes. We read the columns below, from
``<registers url>/<YYYY-MM-DD>.csv``: the job that copies the files there also converts their columns.
"""

import csv
import io
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Final

import aiohttp

from billing.money import from_decimal_string
from billing.reasons import http_reason
from providers.base import StatementLine, StatementUnavailable
from providers.reading import read_answer

#: ``merchant_operation_id``: our operation's id, where the provider knows it. Amounts are decimal strings.
COLUMNS: Final = (
    "type", "order_id", "operation_id", "merchant_operation_id", "amount", "fee", "currency", "time",
)  # fmt: skip
_FOUND: Final = 200
#: Bytes of a day's register: a line has about 200.
REGISTER_LIMIT: Final = 256 * 1024 * 1024


async def read(session: aiohttp.ClientSession, url: str, day: date) -> AsyncIterator[StatementLine]:
    """The lines of a day's register. Raises :class:`StatementUnavailable`, and what the network raises."""
    if not url:
        raise StatementUnavailable("no_registers_url")
    async with session.get(f"{url.rstrip('/')}/{day.isoformat()}.csv", allow_redirects=False) as response:
        if response.status != _FOUND:
            raise StatementUnavailable(http_reason(response.status))
        text = (await read_answer(response, REGISTER_LIMIT)).decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(text))
    if rows.fieldnames is None or not set(COLUMNS) <= set(rows.fieldnames):
        raise StatementUnavailable("other_columns")
    for row in rows:
        yield _line(row)


def _line(row: dict[str, str]) -> StatementLine:
    if row["type"] not in ("CAPTURE", "REFUND"):
        raise StatementUnavailable(f"unknown_type: {row['type']}")
    try:
        at = datetime.fromisoformat(row["time"])
    except ValueError:
        raise StatementUnavailable("unreadable_time") from None
    if at.tzinfo is None:
        raise StatementUnavailable("time_without_zone")
    return StatementLine(
        kind="refund" if row["type"] == "REFUND" else "charge",
        references=tuple(name for name in (row["merchant_operation_id"], row["order_id"]) if name),
        provider_ref=row["operation_id"],
        amount=from_decimal_string(row["amount"], row["currency"]),
        fee=from_decimal_string(row["fee"], row["currency"]) if row["fee"] else None,
        currency=row["currency"],
        at=at,
    )
