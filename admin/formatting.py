"""Format numbers and times for people."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any, Final

from analytics import words
from billing.money import exponent

_SPACE: Final = "\u202f"
_MINUS: Final = "\u2212"


def money(amount: int, currency: str) -> str:
    """``1234567`` minor units of RUB → ``12 345.67``."""
    digits = exponent(currency)
    whole, rest = divmod(abs(amount), 10**digits)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return f"{_MINUS if amount < 0 else ''}{words.grouped(whole)}{fraction}"


def percent(part: int, whole: int) -> str:
    """With one decimal; a dash if ``whole`` is 0."""
    return "\u2013" if whole == 0 else f"{100 * part / whole:.1f}{_SPACE}%"


def cell(value: Any, column: str, money_columns: Collection[str], currency: str | None) -> str:
    """A table cell, in the unit that the column's heading says."""
    if column in money_columns and currency is not None and isinstance(value, int):
        return money(value, currency)
    if isinstance(value, datetime):
        return words.moment(value)
    if isinstance(value, date):
        return (words.month(value) if column in words.MONTHS else words.day(value)).replace(" ", "\u00a0")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    divisor = words.divisor(column, (), None)
    return words.grouped(value) if isinstance(value, int) and divisor == 1 else f"{value / divisor:.2f}"
