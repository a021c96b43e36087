"""The report as CSV: for spreadsheets."""

import csv
import io
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final

from analytics.answer import safe
from backoffice.clearing.report.model import Cell, Report, Section
from backoffice.operators import InvalidArgument
from billing.money import Money

#: By it spreadsheets tell UTF-8.
BOM: Final = "\ufeff"


def as_csv(report: Report, name: str | None = None) -> bytes:
    """The section ``name`` as one table; without a name all of them, each below its title and behind an empty line.

    UTF-8 with a byte order mark. A column of money is two: in whole units as a text, and in minor units. Texts that a
    spreadsheet would take for a formula begin with an apostrophe; amounts do not. Raises
    :class:`~backoffice.operators.InvalidArgument` where the report has no such section.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\r\n")
    if name is not None:
        sections = {section.name: section for section in report.sections}
        if name not in sections:
            raise InvalidArgument(f"there is no such section: {', '.join(sections)}")
        writer.writerows(_table(sections[name]))
    else:
        writer.writerow([report.title])
        for section in report.sections:
            writer.writerows([[], [section.title], *_table(section)])
    return (BOM + lines.getvalue()).encode()


def _table(section: Section) -> Iterable[list[str]]:
    kinds = [column.cell for column in section.columns]
    names = [column.name for column in section.columns]
    currency = names.index("currency") if "currency" in names else None
    yield [
        shown
        for name, kind in zip(names, kinds, strict=True)
        for shown in ((name, f"{name}, minor units") if kind is Cell.MONEY else (name,))
    ]
    for row in section.rows:
        of = None if currency is None else row[currency]
        yield [shown for value, kind in zip(row, kinds, strict=True) for shown in _cells(value, kind, of)]


def _cells(value: Any, kind: Cell, currency: str | None) -> tuple[str, ...]:
    if kind is Cell.MONEY:
        if value is None or currency is None:
            return "", ""
        return str(Money(value, currency)).partition(" ")[0], str(value)
    if value is None:
        return ("",)
    if isinstance(value, datetime | date):
        return (value.isoformat(),)
    return (safe(value) if isinstance(value, str) else str(value),)
