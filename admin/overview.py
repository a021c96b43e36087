"""Key figures of the start page, for one currency."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from admin.report_store import ReportStore
from analytics.report import Result


class Overview(NamedTuple):
    """Key figures of one currency and period. Amounts are minor units; ``approved`` and ``decided`` count charges,
    ``open_payments`` payments that are not final, ``open_amount`` is their sum. ``currencies``: all with data, the
    largest gross first."""

    currency: str
    currencies: tuple[str, ...]
    gross: int
    refunds: int
    net: int
    approved: int
    decided: int
    open_payments: int
    open_amount: int


async def overview(store: ReportStore, period: Mapping[str, str], currency: str | None) -> Overview:
    """Figures for ``currency``, or for the one with the largest gross. ``period``: the reports' ``from`` and ``to``."""
    (_, books), (_, approval), (_, unfinished) = await asyncio.gather(
        store.run("books_by_day", period, None),
        store.run("approval_by_provider", period, None),
        store.run("unfinished_by_age", {"from": period["from"], "as_of": period["to"]}, None),
    )
    gross: dict[str, int] = {}
    for row in _rows(books):
        gross[row["currency"]] = gross.get(row["currency"], 0) + row["gross"]
    for row in (*_rows(approval), *_rows(unfinished)):
        gross.setdefault(row["currency"], 0)
    currencies = tuple(sorted(gross, key=lambda name: (-gross[name], name))) or ("RUB",)
    chosen = currency if currency in currencies else currencies[0]

    def total(result: Result, *columns: str) -> int:
        return sum(row[column] for row in _rows(result) if row["currency"] == chosen for column in columns)

    return Overview(
        currency=chosen,
        currencies=currencies,
        gross=total(books, "gross"),
        refunds=total(books, "refunds"),
        net=total(books, "net"),
        approved=total(approval, "approved"),
        decided=total(approval, "approved", "declined"),
        open_payments=total(unfinished, "payments"),
        open_amount=total(unfinished, "amount"),
    )


def of_currency(result: Result, currency: str | None) -> Result:
    """The rows of one currency, if the report has a currency column."""
    if currency is None or "currency" not in result.columns:
        return result
    at = result.columns.index("currency")
    return Result(result.columns, [row for row in result.rows if row[at] == currency])


def _rows(result: Result) -> Iterable[dict[str, Any]]:
    return (dict(zip(result.columns, row, strict=True)) for row in result.rows)
