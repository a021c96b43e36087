"""The first view: what a finance person looks at before anything else, for one currency."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from admin.report_store import Warehouse
from analytics.report import Result


class Figures(NamedTuple):
    """Of one currency and period. Minor units; ``approved`` and ``decided`` count charges, ``open_payments`` payments
    that are not final and ``open_amount`` what they are worth. ``currencies``: all there are, the largest first."""

    currency: str
    currencies: tuple[str, ...]
    gross: int
    refunds: int
    net: int
    approved: int
    decided: int
    open_payments: int
    open_amount: int


async def figures(warehouse: Warehouse, period: Mapping[str, str], currency: str | None) -> Figures:
    """For ``currency``, or the one that brought in most. ``period``: ``from`` and ``to``, as reports take them."""
    (_, books), (_, approval), (_, unfinished) = await asyncio.gather(
        warehouse.ask("books_by_day", period),
        warehouse.ask("approval_by_provider", period),
        warehouse.ask("unfinished_by_age", {"from": period["from"], "as_of": period["to"]}),
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

    return Figures(
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
    """The rows of one currency, where the report tells currencies apart."""
    if currency is None or "currency" not in result.columns:
        return result
    at = result.columns.index("currency")
    return Result(result.columns, [row for row in result.rows if row[at] == currency])


def _rows(result: Result) -> Iterable[dict[str, Any]]:
    return (dict(zip(result.columns, row, strict=True)) for row in result.rows)
