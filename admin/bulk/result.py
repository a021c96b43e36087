"""The result of a bulk job as a file. Pure."""

import csv
import io
from collections.abc import Iterable
from typing import Final

from admin.bulk.words import ROW_STATES, why
from admin.language import Reader, writing_for
from analytics.answer import safe
from billing.money import to_decimal_string
from storage.bulk.rows import Row

_HEADER: Final = (
    "line",
    "payment_id",
    "amount",
    "currency",
    "reason",
    "state",
    "code",
    "detail",
    "operation_id",
    "dead_letter",
)
#: By it spreadsheets tell UTF-8.
_BOM: Final = "\ufeff"


def result_csv(rows: Iterable[Row]) -> bytes:
    """Every line of the file with how it ended, amounts in whole units. Words are English, whoever asks. A text that a spreadsheet would take for a formula
    begins with an apostrophe."""
    with writing_for(Reader()):
        return _result_csv(rows)


def _result_csv(rows: Iterable[Row]) -> bytes:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(_HEADER)
    for row in rows:
        known = row.amount is not None and row.currency is not None
        writer.writerow(
            (
                row.number,
                row.payment_id or "",
                to_decimal_string(row.amount, row.currency) if known else safe(row.typed),  # type: ignore[arg-type]
                row.currency or "",
                safe(row.reason),
                ROW_STATES[row.state].words,
                row.code or "",
                safe(why(row)),
                row.operation_id,
                row.letter or "",
            )
        )
    return (_BOM + lines.getvalue()).encode()
