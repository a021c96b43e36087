"""A register as a table: its encoding, its delimiter, where its header is, its rows."""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, NamedTuple

from providers.registers import cells
from providers.registers.maps import RegisterMap
from providers.statements import StatementUnavailable

#: Bytes in which the header is looked for.
HEAD_BYTES: Final = 64 * 1024
#: Rows in which it is looked for: titles may stand above it.
HEAD_ROWS: Final = 30
_BUFFER_BYTES: Final = 1024 * 1024
_DELIMITERS: Final = (",", ";", "\t")


class Layout(NamedTuple):
    """How a register is written. ``header``: the cells of its row; ``rows_above``: records before it; ``columns``: field →
    position; ``missing``: mapped headers that it does not have."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    rows_above: int
    columns: Mapping[str, int]
    missing: tuple[str, ...]


def layout_of(head: bytes, map: RegisterMap) -> Layout:
    """The layout by the first bytes of a register: the one with the most columns of the map."""
    encoding = map.encoding or _encoding_of(head)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    found = [_header_in(text, delimiter, encoding, map) for delimiter in _DELIMITERS]
    return min(found, key=lambda layout: len(layout.missing))


def rows_of(file: BinaryIO, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of every row below the header, those left out that are blank or repeat it. Raises
    :class:`StatementUnavailable`."""
    text = io.TextIOWrapper(io.BufferedReader(_Unclosed(file), _BUFFER_BYTES), layout.encoding, newline="")
    reader = csv.reader(text, delimiter=layout.delimiter, strict=True)
    names = [cells.name(cell) for cell in layout.header]
    width = len(names)
    above = layout.rows_above + 1
    try:
        for row in reader:
            if above:
                above -= 1
                continue
            if len(row) < width:
                if not any(_plain(row)):
                    continue
                raise StatementUnavailable(f"incomplete: row {reader.line_num} has {len(row)} cells of {width}")
            if cells.name(row[0]) == names[0] and [cells.name(cell) for cell in row[:width]] == names:
                continue
            if len(row) > width and any(_plain(row[width:])):
                raise StatementUnavailable(f"other_columns: row {reader.line_num} has {len(row)} cells, not {width}")
            if not row[0] and not any(_plain(row)):
                continue
            yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise StatementUnavailable(f"unreadable_text: not {layout.encoding}, after row {reader.line_num}") from error
    except csv.Error as error:
        raise StatementUnavailable(f"incomplete: row {reader.line_num}: {error}") from error


def require_columns(layout: Layout) -> None:
    """Raise :class:`StatementUnavailable` where a column of the map is missing."""
    if layout.missing:
        raise StatementUnavailable(f"other_columns: no {', '.join(layout.missing)}")


def _plain(row: list[str]) -> Iterator[str]:
    """The cells without what surrounds their text."""
    return (cells.plain(cell) for cell in row)


def _encoding_of(head: bytes) -> str:
    try:
        # The head may end in the middle of a character.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1251"
    return "utf-8-sig"


def _header_in(text: str, delimiter: str, encoding: str, map: RegisterMap) -> Layout:
    wanted = {field: cells.name(header) for field, header in map.columns.items()}
    best = Layout(encoding, delimiter, (), 0, {}, tuple(map.columns.values()))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for above, row in zip(range(HEAD_ROWS), reader, strict=False):
            names = [cells.name(cell) for cell in row]
            columns: dict[str, int] = {
                field: names.index(header) for field, header in wanted.items() if header in names
            }
            missing = tuple(header for field, header in map.columns.items() if field not in columns)
            if len(missing) < len(best.missing):
                best = Layout(encoding, delimiter, tuple(row), above, columns, missing)
    except csv.Error:
        pass  # the head ends within a quoted cell, or is no such table
    return best


class _Unclosed(io.RawIOBase):
    """A file that outlives who reads it here."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        found = self._file.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)
