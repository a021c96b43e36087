"""Numbers, money and times in the form and the zone of the reader. The only place that writes them for pages.

Groups of three digits are divided by a narrow space in every language, as ISO 80000-1 has it; the decimal mark and the names
of months are the language's. Amounts are integers from end to end.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import Any, Final

from babel.dates import format_date, format_datetime
from babel.numbers import get_decimal_symbol

from admin.language import gettext, ngettext, reader
from analytics import words
from billing.money import exponent
from billing.reasons import Reason
from monitoring.view import units_of

_SPACE: Final = "\u202f"
_MINUS: Final = "\u2212"


def money(amount: int, currency: str) -> str:
    """``1234567`` minor units of RUB → ``12 345.67``, in Russian ``12 345,67``."""
    digits = exponent(currency)
    whole, rest = divmod(abs(amount), 10**digits)
    fraction = f"{_mark()}{rest:0{digits}d}" if digits else ""
    return f"{_MINUS if amount < 0 else ''}{grouped(whole)}{fraction}"


def sum_of(amount: int, currency: str) -> str:
    """``12 345.67 RUB``."""
    return f"{money(amount, currency)} {currency}"


def grouped(number: int) -> str:
    """``1234567`` → ``1 234 567``, with a minus sign before a negative number."""
    return words.grouped(number)


def decimal(number: float, places: int) -> str:
    """A measured number, never an amount: ``1 234.5``, in Russian ``1 234,5``."""
    written = f"{number:,.{places}f}".replace(",", _SPACE).replace("-", _MINUS)
    return written.replace(".", _mark())


def percent(part: int, whole: int) -> str:
    """With one decimal; a dash if ``whole`` is 0."""
    return "\u2013" if whole == 0 else f"{decimal(100 * part / whole, 1)}{_SPACE}%"


def day(value: date) -> str:
    """``3 Nov 2026``, in Russian ``3 нояб. 2026``."""
    return format_date(value, "d MMM y", locale=reader().language)


def weekday(value: date) -> str:
    """``Tue``, in Russian ``вт``."""
    return format_date(value, "EEE", locale=reader().language)


def month(value: date) -> str:
    """``Nov 2026``, in Russian ``нояб. 2026``."""
    return format_date(value, "LLL y", locale=reader().language)


def moment(value: datetime) -> str:
    """``3 Nov 2026 14:05 UTC``: in the reader's zone, with its abbreviation or its distance from UTC."""
    who = reader()
    return format_datetime(value.astimezone(who.zone), "d MMM y HH:mm ", locale=who.language) + zone_name(value)


def moment_utc(value: datetime) -> str:
    """The same in UTC, to compare with logs."""
    return format_datetime(value.astimezone(UTC), "d MMM y HH:mm:ss 'UTC'", locale=reader().language)


def local(value: datetime) -> datetime:
    """The time on the clock of the reader's zone: what a form's field of a date and a time has."""
    return value.astimezone(reader().zone)


def from_local(value: datetime) -> datetime:
    """UTC, from what such a field has sent."""
    return (value.replace(tzinfo=reader().zone) if value.tzinfo is None else value).astimezone(UTC)


def zone_name(at: datetime) -> str:
    """The abbreviation of the reader's zone at a time; ``UTC+04:00`` for one that has none."""
    local = at.astimezone(reader().zone)
    name, distance = local.tzname() or "", f"{local:%z}"
    return name if name.isalpha() else f"UTC{distance[:3]}:{distance[3:5]}"


def duration(seconds: float) -> str:
    """Two units at most: ``3 d 4 h``, ``5 min 20 s``."""
    names = {
        "d": gettext("%(number)s d"), "h": gettext("%(number)s h"), "min": gettext("%(number)s min"),
        "s": gettext("%(number)s s"),
    }  # fmt: skip
    return " ".join(names[unit] % {"number": grouped(number)} for number, unit in units_of(seconds))


def reason(text: str) -> str:
    """Why an operation failed, by the text on record; a reason that no release knows is shown as it is written."""
    known = Reason.of(text)
    return text.replace("_", " ") if known is Reason.OTHER else gettext(known.meaning)


def rows(number: int) -> str:
    """``1 row``, ``20 rows``."""
    return ngettext("%(count)s row", "%(count)s rows", number, count=grouped(number))


def cell(value: Any, column: str, money_columns: Collection[str], currency: str | None) -> str:
    """A table cell, in the unit that the column's heading says."""
    if column in money_columns and currency is not None and isinstance(value, int):
        return money(value, currency)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return (month(value) if column in words.MONTHS else day(value)).replace(" ", "\u00a0")
    if isinstance(value, str):
        return value if column in words.IDS else gettext(words.plain(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    divisor = words.divisor(column, (), None)
    return grouped(value) if isinstance(value, int) and divisor == 1 else decimal(value / divisor, 2)


def _mark() -> str:
    return get_decimal_symbol(reader().language)
