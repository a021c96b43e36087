"""Cells of registers as values: exact, or refused."""

import re
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from billing.money import exponent
from providers.registers.maps import RegisterMap

#: Spaces of any width, byte order marks and the like: around a cell they mean nothing, in a number they group digits.
_SPACES: Final = re.compile("[\\s\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff]+")
#: What a spreadsheet writes so that digits stay text.
_FORMULA: Final = re.compile(r'="(.*)"', re.DOTALL)
_MINUSES: Final = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2012": "-", "\ufe63": "-", "\uff0d": "-"})
_YO: Final = str.maketrans("\u0451", "\u0435")
_AMOUNT: Final = re.compile(r"([+-]?)([0-9]{1,15})(?:\.([0-9]+))?")


class BadCell(ValueError):
    """A cell holds no such value; the text is the reason."""


def plain(cell: str) -> str:
    """A cell without what surrounds its text."""
    text = cell.strip()
    if text[:1] in ("=", "'", "\ufeff", "\u200b") or text[-1:] in ("\ufeff", "\u200b"):
        text = _SPACES.sub(" ", text).strip()
        formula = _FORMULA.fullmatch(text)
        text = (formula[1] if formula else text.removeprefix("'")).strip()
    return text


def name(cell: str) -> str:
    """A header or a type as names are compared: without case, width of spaces, and the dots of ё."""
    return _SPACES.sub(" ", plain(cell)).strip().casefold().translate(_YO)


def amount(cell: str, currency: str, map: RegisterMap) -> int:
    """Minor units of ``currency``, with the sign that is written."""
    text = _SPACES.sub("", cell).translate(_MINUSES)
    if map.decimal == ",":
        text = text.replace(".", "_").replace(",", ".")
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise BadCell("not_an_amount")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    digits = 0 if map.amounts == "minor" else exponent(currency)
    if fraction[digits:].strip("0"):
        raise BadCell("amount_precision")
    value = int(whole + fraction[:digits].ljust(digits, "0"))
    return -value if sign == "-" else value


def moment(cell: str, map: RegisterMap) -> datetime:
    """A time with its zone."""
    try:
        at = datetime.strptime(cell, map.time_format) if map.time_format else datetime.fromisoformat(cell)  # noqa: DTZ007
    except ValueError:
        raise BadCell("not_a_time") from None
    if at.tzinfo is None:
        if map.zone is None:
            raise BadCell("time_without_zone")
        at = at.replace(tzinfo=ZoneInfo(map.zone))
    return at.astimezone(UTC)


def day(cell: str, map: RegisterMap) -> date:
    """A date; of a time, the day it states."""
    try:
        return (datetime.strptime(cell, map.time_format) if map.time_format else datetime.fromisoformat(cell)).date()  # noqa: DTZ007
    except ValueError:
        raise BadCell("not_a_date") from None
