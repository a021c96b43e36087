"""A report's result as JSON or CSV: amounts in minor units, times with their zone."""

import csv
import io
import json
from datetime import date
from typing import Any

from analytics.report import Result


def as_json(result: Result) -> bytes:
    """A list of objects, one per row."""
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    return (json.dumps(rows, default=text, ensure_ascii=False, indent=2) + "\n").encode()


def as_csv(result: Result) -> bytes:
    """A line of column names, then one line per row (RFC 4180, with line feeds)."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([text(value) for value in row] for row in result.rows)
    return lines.getvalue().encode()


def text(value: Any) -> str:
    """The text of a value."""
    return value.isoformat() if isinstance(value, date) else str(value)
