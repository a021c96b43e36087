"""Words and numbers of reports for people: titles of columns, units, dates. English, but for a block that speaks another
language."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from billing.money import EXPONENTS

#: Columns that name a month by its first day.
MONTHS: Final = frozenset({"month", "cohort"})
#: Columns with ids of clients, names of providers and codes of currencies, which are shown as they are.
IDS: Final = frozenset({"currency", "plan", "product_id", "provider"})
_ABBREVIATIONS: Final = frozenset({"arpu", "arr", "csv", "ltv", "mrr"})
#: Suffix of a column → its unit, and what its values are divided by.
_UNITS: Final = {"percent": ("%", 1), "ms": ("ms", 1), "us": ("ms", 1000)}
#: Numbers on charts are whole from here on.
WHOLE_FROM: Final = 1000
#: Separates groups of three digits: narrow, without line breaks.
_SPACE: Final = "\u202f"
_MINUS: Final = "\u2212"


class Tongue(NamedTuple):
    """A language. ``code``: by BCP 47; ``say``: an English text in it; ``months``: their short names; ``mark``: of
    decimals."""

    code: str
    say: Callable[[str], str]
    months: tuple[str, ...]
    mark: str


ENGLISH: Final = Tongue(
    "en", str, ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), "."
)
_TONGUE: Final[ContextVar[Tongue]] = ContextVar("tongue", default=ENGLISH)


@contextmanager
def speaking(tongue: Tongue) -> Iterator[None]:
    """A block whose charts and tables are in this language. Everything else is in English."""
    token = _TONGUE.set(tongue)
    try:
        yield
    finally:
        _TONGUE.reset(token)


def say(text: str) -> str:
    """The text in the language of the block."""
    return _TONGUE.get().say(text)


def language() -> str:
    """The code of the language."""
    return _TONGUE.get().code


def mark() -> str:
    """What stands before decimals."""
    return _TONGUE.get().mark


def name(report: str) -> str:
    """``mrr_movements`` → ``MRR movements``."""
    words = _words(report)
    return say(words[:1].upper() + words[1:])


def title(column: str) -> str:
    """``first_try_percent`` → ``first try``: the unit is said beside it."""
    parts = column.split("_")
    if parts[-1] not in _UNITS:
        return say(_words(column))
    return say(_words("_".join(parts[:-1])) or "share")


def unit(column: str, money: Collection[str], currency: str | None) -> str:
    """``%``, ``ms``, or the currency of a column of money; empty for a count."""
    if column in money:
        return currency or ""
    return say(_UNITS.get(column.rsplit("_", 1)[-1], ("", 1))[0])


def divisor(column: str, money: Collection[str], currency: str | None) -> int:
    """What a value is divided by to be in :func:`unit`: money is stored in minor units."""
    if column in money:
        return int(10 ** EXPONENTS.get(currency or "", 0))
    return _UNITS.get(column.rsplit("_", 1)[-1], ("", 1))[1]


def is_rate(column: str) -> bool:
    """Whether values are shares or durations: these are not added, and without a row there is none."""
    return column.rsplit("_", 1)[-1] in _UNITS


def heading(column: str, money: Collection[str], currency: str | None) -> str:
    """The title with its unit: ``MRR, RUB``."""
    return ", ".join(filter(None, (title(column), unit(column, money, currency))))


def label(value: Any, column: str) -> str:
    """A value for a chart or a table of a page: ``CHURN_VOLUNTARY`` → ``churn voluntary``; ids stay as they are."""
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return month(value) if column in MONTHS else day(value)
    text = str(value)
    return text if column in IDS else say(plain(text))


def plain(text: str) -> str:
    """``CHURN_VOLUNTARY`` → ``churn voluntary``."""
    return (text.lower() if text.isupper() else text).replace("_", " ")


def day(value: date) -> str:
    """``3 Nov 2026``."""
    return f"{value.day} {short_month(value)} {value.year}"


def moment(value: datetime) -> str:
    """``3 Nov 2026 14:05 UTC``."""
    return f"{day(value)} {value:%H:%M} UTC"


def month(value: date) -> str:
    """``Nov 2026``."""
    return f"{short_month(value)} {value.year}"


def short_month(value: date) -> str:
    """``Nov``."""
    return _TONGUE.get().months[value.month - 1]


def grouped(number: int) -> str:
    """``1234567`` → ``1 234 567``, with a minus sign before a negative number."""
    return f"{number:,}".replace(",", _SPACE).replace("-", _MINUS)


def decimal(number: float) -> str:
    """At most two decimals, from a thousand on none: ``12.5``, ``1 234``."""
    text = f"{number:,.0f}" if abs(number) >= WHOLE_FROM else f"{number:,.2f}".rstrip("0").rstrip(".")
    return ("0" if text == "-0" else text).replace(",", _SPACE).replace("-", _MINUS).replace(".", mark())


def _words(text: str) -> str:
    return " ".join(word.upper() if word in _ABBREVIATIONS else word for word in text.split("_"))
