"""A file of refunds as rows. What makes the whole file unusable is an error; a bad line is a row that says so. Pure."""

import csv
import re
from collections.abc import Iterator
from typing import Final
from uuid import UUID, uuid5

from admin.formatting import grouped
from admin.language import Reader, gettext, writing_for
from admin.payments.actions import InvalidForm, checked_reason
from runtime.logging.card_numbers import holds_card_number, without_card_numbers
from storage.bulk.rows import Row, RowState

#: Bytes and lines of a file.
BYTES_MAX: Final = 4 * 1024 * 1024
ROWS_MAX: Final = 20_000
#: Characters of what a cell holds, where a page repeats it.
SHOWN: Final = 60
AMOUNT_MAX: Final = 40
_COLUMNS: Final = ("payment_id", "amount", "reason")
_NEEDED: Final = ("payment_id", "amount")
_SEPARATORS: Final = (",", ";", "\t")
#: First bytes of files that are no text: of Excel, and of UTF-16.
_WORKBOOK: Final = b"PK\x03\x04"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_LINES: Final = re.compile("\r\n|\n|\r")
_ID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

#: Codes of rows that the file itself makes unusable: another dry run finds them so again.
INVALID_LINE: Final = "invalid_line"
INVALID_ID: Final = "invalid_payment_id"
INVALID_TEXT: Final = "invalid_text"
INVALID_REASON: Final = "invalid_reason"
NAMED_TWICE: Final = "named_twice"
CARD_NUMBER: Final = "card_number"
CODES: Final = (INVALID_LINE, INVALID_ID, INVALID_TEXT, INVALID_REASON, NAMED_TWICE, CARD_NUMBER)


class InvalidFile(Exception):
    """The file cannot be used. The message says why, in the reader's language."""


class _BadLine(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def read_rows(job: UUID, content: bytes, reason: str) -> list[Row]:
    """The rows of the file ``content``. ``reason``: of lines without one. A row's operation has an id that follows from
    ``job`` and the number of its line. Raises :class:`InvalidFile`."""
    lines = _lines(content)
    header, separator = _header(lines[0])
    named: dict[UUID, int] = {}
    rows: list[Row] = []
    for number, line in _filled(lines):
        if len(rows) == ROWS_MAX:
            raise InvalidFile(gettext("The file has more than %(count)s lines. Divide it.", count=grouped(ROWS_MAX)))
        rows.append(_row(job, number, line, header, separator, reason, named))
    if not rows:
        raise InvalidFile(gettext("The file has a line of names, and no line of a refund below it."))
    return rows


def _lines(content: bytes) -> list[str]:
    if len(content) > BYTES_MAX:
        raise InvalidFile(gettext("The file has more than 4 MiB. Divide it."))
    if content.startswith(_WORKBOOK):
        raise InvalidFile(gettext("This is a workbook of a spreadsheet. Save it as “CSV UTF-8”."))
    if content.startswith(_UTF_16) or b"\0" in content:
        raise InvalidFile(gettext("The file is not UTF-8. Save it as “CSV UTF-8”."))
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if not text.strip():
        raise InvalidFile(gettext("The file is empty."))
    return _LINES.split(text)


def _header(line: str) -> tuple[list[str], str]:
    for separator in _SEPARATORS:
        names = [name.strip().strip('"').strip().lower() for name in line.split(separator)]
        while len(names) > 1 and not names[-1]:
            names.pop()
        if "payment_id" not in names or (len(names) == 1 and separator != _SEPARATORS[-1]):
            continue
        if missing := [name for name in _NEEDED if name not in names]:
            raise InvalidFile(
                gettext("The column “%(name)s” is missing. An empty amount means all that is left.", name=missing[0])
            )
        if unknown := [name for name in names if name not in _COLUMNS]:
            shown = without_card_numbers(unknown[0])[:SHOWN]
            raise InvalidFile(
                gettext(
                    "The column “%(name)s” is not known. There are: %(names)s.", name=shown, names=", ".join(_COLUMNS)
                )
            )
        if len(set(names)) < len(names):
            raise InvalidFile(gettext("A column is named twice."))
        return names, separator
    raise InvalidFile(gettext("The first line has to name the columns: payment_id, amount, reason."))


def _filled(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines below the header that are not blank, with their numbers."""
    for number, line in enumerate(lines[1:], 2):
        if line.strip(" \t,;"):
            yield number, line


def _row(
    job: UUID, number: int, line: str, header: list[str], separator: str, reason: str, named: dict[UUID, int]
) -> Row:
    id, typed, code, detail = None, "", None, None
    try:
        cells = dict(zip(header, _cells(line, header, separator), strict=True))
        id = _payment_id(cells["payment_id"])
        typed, reason = _amount(cells["amount"]), _reason(cells.get("reason", ""), reason)
        _once(id, number, named)
    except _BadLine as bad:
        code, detail = bad.code, bad.detail
    return Row(
        job=job,
        number=number,
        operation_id=uuid5(job, str(number)),
        payment_id=id,
        typed=typed,
        reason=reason,
        state=RowState.UNCHECKED if code is None else RowState.REFUSED,
        code=code,
        detail=detail,
    )


def _cells(line: str, header: list[str], separator: str) -> list[str]:
    """The cells of a line, which is read by itself: a quote that is not closed spoils no other."""
    if any("\ud800" <= character <= "\udfff" for character in line):
        raise _BadLine(INVALID_TEXT, "the line has characters that are not UTF-8; save the file as “CSV UTF-8”")
    try:
        (cells,) = csv.reader([line], delimiter=separator, strict=True)
    except (csv.Error, ValueError):
        raise _BadLine(INVALID_LINE, "a quotation mark is not closed, or stands inside a cell") from None
    while len(cells) > len(header) and not cells[-1].strip():
        cells.pop()
    if len(cells) != len(header):
        found = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
        raise _BadLine(INVALID_LINE, f"the line has {found}, the first line names {len(header)} columns")
    return [cell.strip() for cell in cells]


def _payment_id(cell: str) -> UUID:
    if not _ID.fullmatch(cell):
        shown = without_card_numbers(cell)[:SHOWN]
        raise _BadLine(
            INVALID_ID, f"“{shown}” is not the id of a payment" if cell else "the id of the payment is missing"
        )
    return UUID(cell)


def _once(id: UUID, number: int, named: dict[UUID, int]) -> None:
    if (first := named.setdefault(id, number)) != number:
        detail = f"line {first} names the same payment; of several lines only the first that can be read is taken"
        raise _BadLine(NAMED_TWICE, detail)


def _amount(cell: str) -> str:
    if holds_card_number(cell):
        raise _BadLine(CARD_NUMBER, "the amount holds a card number: these are kept nowhere")
    if len(cell) > AMOUNT_MAX or not cell.isprintable():
        raise _BadLine(INVALID_LINE, "the amount is not a number")
    return cell


def _reason(cell: str, reason: str) -> str:
    try:
        with writing_for(Reader()):  # it is kept
            return checked_reason(cell) if cell else reason
    except InvalidForm as error:
        raise _BadLine(INVALID_REASON, str(error)) from None
