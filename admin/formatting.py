"""Format numbers and times for people."""

from datetime import date, datetime
from typing import Any, Final

from billing.money import exponent

#: Separates groups of three digits: narrow, without line breaks.
_SPACE: Final = "\u202f"
_MINUS: Final = "\u2212"


def money(amount: int, currency: str) -> str:
    """``1234567`` minor units of RUB → ``12 345.67``."""
    digits = exponent(currency)
    whole, rest = divmod(abs(amount), 10**digits)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return f"{_MINUS if amount < 0 else ''}{grouped(whole)}{fraction}"


def grouped(number: int) -> str:
    """``1234567`` → ``1 234 567``."""
    return f"{number:,}".replace(",", _SPACE).replace("-", _MINUS)


def percent(part: int, whole: int) -> str:
    """With one decimal; a dash if ``whole`` is 0."""
    return "\u2013" if whole == 0 else f"{100 * part / whole:.1f}{_SPACE}%"


def cell(value: Any, column: str, money_columns: tuple[str, ...], currency: str | None) -> str:
    """A table cell."""
    if column in money_columns and currency is not None and isinstance(value, int):
        return money(value, currency)
    if isinstance(value, bool) or not isinstance(value, int | float | date):
        return str(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, date):
        return value.isoformat()
    return grouped(value) if isinstance(value, int) else f"{value:.2f}"
