"""The report as one HTML file that needs nothing else: to read, to print, to send on."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analytics import words
from backoffice.clearing.report.model import Cell, Report, Section
from billing.money import Money
from billing.sentence import Code, Sentence, Value

#: Rows of a section that are shown; the CSV has all.
ROWS: Final = 200
#: Characters of an id that stays on one line.
SHORT: Final = 24
_MINUS: Final = "\u2212"


def as_html(report: Report) -> bytes:
    """The page, in the language of the block (:func:`analytics.words.speaking`); English outside of one."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = templates.get_template("day.html").render(
        report=report,
        say=_say,
        language=words.language(),
        moment=words.moment,
        cells=_cells,
        rows_shown=ROWS,
        short=SHORT,
        grouped=words.grouped,
        right=(Cell.MONEY, Cell.NUMBER),
    )
    return page.encode()


def _say(text: str, **values: Value) -> str:
    return words.say(Sentence(text, **values) if values else text)


def _cells(section: Section, row: Sequence[Any]) -> list[str]:
    names = [column.name for column in section.columns]
    currency = row[names.index("currency")] if "currency" in names else None
    return [_shown(value, column.cell, currency) for value, column in zip(row, section.columns, strict=True)]


def _shown(value: Any, kind: Cell, currency: str | None) -> str:
    if value is None:
        return ""
    if kind is Cell.MONEY:
        return "" if currency is None else _money(value, currency)
    if isinstance(value, datetime):
        return f"{words.day(value)} {value:%H:%M}"
    if isinstance(value, date):
        return words.day(value)
    if isinstance(value, int):
        return words.grouped(value)
    if isinstance(value, Code):
        return words.say(words.plain(value))
    return words.say(value) if kind is Cell.TEXT or isinstance(value, Sentence) else str(value)


def _money(amount: int, currency: str) -> str:
    whole, _, fraction = str(Money(abs(amount), currency)).partition(" ")[0].partition(".")
    sign = _MINUS if amount < 0 else ""
    return sign + words.grouped(int(whole)) + (f"{words.mark()}{fraction}" if fraction else "")
