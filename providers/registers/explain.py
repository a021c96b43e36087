"""Show how a map reads the first rows of a register: for writing a map."""

import io
from itertools import islice
from typing import Final

import msgspec

from providers.registers import cells
from providers.registers.maps import RegisterMap
from providers.registers.reading import Rows
from providers.registers.table import HEAD_BYTES, layout_of, rows_of
from providers.statements import LineKind, StatementLine, StatementUnavailable
from runtime.logging.card_numbers import without_card_numbers

ROWS: Final = 5


class ExplainedRow(msgspec.Struct, frozen=True):
    """A row: its cells by header, card numbers masked; the line it becomes, or the reason why none. ``None`` for both:
    the row of totals."""

    cells: dict[str, str]
    line: StatementLine | None = None
    reason: str | None = None


class Explanation(msgspec.Struct, frozen=True):
    """How a register is understood. ``columns``: header → the fields it was taken for, none where it was not recognised;
    ``missing``: headers of the map that are not there; ``types``: types in these rows that the map does not have."""

    encoding: str
    delimiter: str
    columns: dict[str, tuple[str, ...]]
    missing: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[ExplainedRow, ...]


def explain(head: bytes, map: RegisterMap) -> Explanation:
    """What the first rows of a register mean. ``head``: its first bytes, as many as there are at hand."""
    head = head[:HEAD_BYTES]
    layout = layout_of(head, map)
    columns = {
        cells.plain(header): tuple(field for field, position in layout.columns.items() if position == index)
        for index, header in enumerate(layout.header)
    }
    rows: list[ExplainedRow] = []
    if not layout.missing:
        whole = head[: head.rfind(b"\n") + 1]  # the last row may be cut
        read = Rows(layout, map)
        try:
            for number, row in islice(rows_of(io.BytesIO(whole), layout), ROWS):
                rows.append(_explained(read, number, row, tuple(columns)))
        except StatementUnavailable as error:
            rows.append(ExplainedRow({}, reason=error.reason))
    lines = [row.line for row in rows if row.line is not None]
    types = {line.raw_type: None for line in lines if line.kind is LineKind.OTHER and line.raw_type is not None}
    return Explanation(layout.encoding, layout.delimiter, columns, layout.missing, tuple(types), tuple(rows))


def _explained(read: Rows, number: int, row: list[str], headers: tuple[str, ...]) -> ExplainedRow:
    shown = {header: without_card_numbers(cell) for header, cell in zip(headers, row, strict=False)}
    try:
        return ExplainedRow(shown, read.line(number, row))
    except StatementUnavailable as error:
        return ExplainedRow(shown, reason=error.reason)
