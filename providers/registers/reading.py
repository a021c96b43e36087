"""A register's rows as lines, and the proof that it is whole."""

import hashlib
import os
from collections import Counter
from collections.abc import Generator
from typing import BinaryIO, Final

from billing.errors import InvalidMoney
from providers.base import own_id
from providers.registers import cells
from providers.registers.cells import BadCell
from providers.registers.maps import RegisterMap
from providers.registers.table import HEAD_BYTES, Layout, layout_of, require_columns, rows_of
from providers.statements import LESSENING, LineKind, StatementLine, StatementUnavailable
from runtime.logging.card_numbers import without_card_numbers

#: Characters of a text that is kept.
TEXT_MAX: Final = 512


def read_register(file: BinaryIO, map: RegisterMap, *, is_proven: bool) -> Generator[StatementLine, None, None]:
    """The lines of a register, in its order.

    ``is_proven``: whether something beside the file shows that it is whole. Otherwise its row of totals has to; and it
    must end with a whole row in any case. Raises :class:`StatementUnavailable`, with the row: for a file that is not
    proven whole (``incomplete``), for other columns than the map's, and for a value that cannot be read exactly. The lines
    until then are incomplete.
    """
    head = file.read(HEAD_BYTES)
    if not head:
        raise StatementUnavailable("incomplete: the file is empty")
    layout = layout_of(head, map)
    require_columns(layout)
    _require_last_newline(file)
    file.seek(0)
    rows = Rows(layout, map)
    for number, row in rows_of(file, layout):
        if (line := rows.line(number, row)) is not None:
            yield line
    if map.totals is not None and not rows.has_all_totals:
        raise StatementUnavailable("incomplete: there is no row of totals")
    if map.totals is None and not is_proven:
        raise StatementUnavailable("incomplete: nothing shows that the file is whole")


class Rows:
    """Rows of one register as lines."""

    def __init__(self, layout: Layout, map: RegisterMap) -> None:
        self._map = map
        self._columns = layout.columns
        self._types = {cells.name(type): kind for type, kind in map.types.items()}
        self._kinds: dict[str, LineKind] = {}
        self._total_row = None if map.totals is None else cells.name(map.totals.row)
        names = [cells.name(cell) for cell in layout.header]
        count = None if map.totals is None else cells.name(map.totals.lines)
        if count is not None and count not in names:
            raise StatementUnavailable(f"other_columns: no {map.totals and map.totals.lines}")
        self._count_column = 0 if count is None else names.index(count)
        self._sums: Counter[str] = Counter()
        self._lines: Counter[str] = Counter()
        self._totalled: set[str] = set()

    @property
    def has_all_totals(self) -> bool:
        """Whether a row of totals came for every currency that has lines, and at least one."""
        return bool(self._totalled) and self._lines.keys() <= self._totalled

    def line(self, number: int, row: list[str]) -> StatementLine | None:
        """The line of a row; ``None`` for the row of totals, which must agree with the lines until then."""
        try:
            currency = (self._text(row, "currency") or self._map.currency or "").upper()
            type = self._text(row, "type")
            if self._total_row is not None and type is not None and cells.name(type) == self._total_row:
                self._check_totals(number, row, currency)
                return None
            if currency in self._totalled:
                raise StatementUnavailable(f"incomplete: row {number} follows the totals")
            return self._read(row, type, currency)
        except (BadCell, InvalidMoney) as error:
            raise StatementUnavailable(f"{error} (row {number})") from error

    def _read(self, row: list[str], type: str | None, currency: str) -> StatementLine:
        kind = self._kind(type)
        stated = cells.amount(self._text(row, "amount") or "", currency, self._map)
        amount = -abs(stated) if kind in LESSENING else stated
        if self._total_row is not None:
            self._sums[currency] += amount
            self._lines[currency] += 1
        settled_in = self._text(row, "settlement_currency")
        settled = None
        if settled_in is not None and settled_in.upper() != currency:
            settled = self._amount(row, "settled", settled_in.upper())
        fee_currency = currency if settled is None or settled_in is None else settled_in.upper()
        available = self._text(row, "available_on")
        return StatementLine(
            kind=kind,
            line_ref=self._text(row, "line_ref") or digest_of(row),
            amount=amount,
            currency=currency,
            at=cells.moment(self._text(row, "time") or "", self._map),
            own_id=own_id(self._text(row, "own_id")),
            order_ref=self._text(row, "order_ref"),
            provider_ref=self._text(row, "provider_ref"),
            settled=-abs(settled) if settled is not None and kind in LESSENING else settled,
            settlement_currency=None if settled is None else fee_currency,
            fee=self._amount(row, "fee", fee_currency),
            fee_tax=self._amount(row, "fee_tax", fee_currency),
            available_on=None if available is None else cells.day(available, self._map),
            payout_ref=self._text(row, "payout_ref"),
            method=self._words(row, "method"),
            status=self._words(row, "status"),
            raw_type=None if type is None else without_card_numbers(type),
        )

    def _kind(self, type: str | None) -> LineKind:
        known = self._kinds.get(type or "")
        if known is None:
            known = self._types.get(cells.name(type or ""), LineKind.OTHER)
            self._kinds[type or ""] = known
        return known

    def _text(self, row: list[str], field: str) -> str | None:
        position = self._columns.get(field)
        if position is None:
            return None
        text = cells.plain(row[position])
        if "\0" in text or len(text) > TEXT_MAX:
            raise BadCell(f"unreadable_text: {field}")
        return text or None

    def _words(self, row: list[str], field: str) -> str | None:
        text = self._text(row, field)
        return None if text is None else without_card_numbers(text)

    def _amount(self, row: list[str], field: str, currency: str) -> int | None:
        text = self._text(row, field)
        return None if text is None else cells.amount(text, currency, self._map)

    def _check_totals(self, number: int, row: list[str], currency: str) -> None:
        stated = cells.amount(self._text(row, "amount") or "", currency, self._map)
        count = cells.plain(row[self._count_column])
        if count != str(self._lines[currency]) or stated != self._sums[currency]:
            raise StatementUnavailable(
                f"incomplete: row {number} states {count} lines of {stated} {currency}, there are "
                f"{self._lines[currency]} of {self._sums[currency]}"
            )
        self._totalled.add(currency)


def digest_of(row: list[str]) -> str:
    """A name for a row that has none: equal rows share it."""
    return hashlib.sha256("\0".join(map(cells.plain, row)).encode()).hexdigest()[:32]


def _require_last_newline(file: BinaryIO) -> None:
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            raise StatementUnavailable("incomplete: the last row does not end")
