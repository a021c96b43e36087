"""A report's result as JSON or CSV: amounts in minor units, times with their zone."""

import csv
import io
import json
from datetime import date
from typing import Any, Final

from analytics.report import Result

#: First characters that make a cell a formula (OWASP, CSV injection), in their full-width forms as well.
_FORMULA: Final = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


def as_json(result: Result) -> bytes:
    """A list of objects, one per row."""
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    return (json.dumps(rows, default=text, ensure_ascii=False, indent=2) + "\n").encode()


def as_csv(result: Result) -> bytes:
    """A line of column names, then one line per row (RFC 4180, with line feeds).

    A text that a spreadsheet would take for a formula begins with an apostrophe, which spreadsheets do not show.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([safe(value) if isinstance(value, str) else text(value) for value in row] for row in result.rows)
    return lines.getvalue().encode()


def safe(value: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if value[:1] in _FORMULA or value.lstrip()[:1] in _FORMULA else value


def text(value: Any) -> str:
    """The text of a value."""
    return value.isoformat() if isinstance(value, date) else str(value)
