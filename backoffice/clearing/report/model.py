"""The report as values: sections of one table each. HTML, CSV and JSON are written from them."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import msgspec

from billing.sentence import Sentence


class Cell(StrEnum):
    """What a column holds. Money is signed minor units, of the currency in the row's column ``currency``."""

    TEXT = "text"
    ID = "id"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    MOMENT = "moment"


class Column(msgspec.Struct, frozen=True):
    """A column of a table."""

    name: str
    cell: Cell = Cell.TEXT


class Section(msgspec.Struct, frozen=True):
    """A part of the report. ``name``: of its file; ``hint``: what it shows; ``none``: what it says without rows; ``calls``:
    whether rows in it ask somebody to act."""

    name: str
    title: str
    hint: str
    none: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    calls: bool = False


class Head(msgspec.Struct, frozen=True):
    """A section without its rows."""

    name: str
    title: str
    hint: str
    none: str
    columns: tuple[Column, ...]

    def of(self, rows: Iterable[tuple[Any, ...]], *, calls: bool = False) -> Section:
        """The section with these rows."""
        return Section(self.name, self.title, self.hint, self.none, self.columns, tuple(rows), calls)


class Report(msgspec.Struct, frozen=True):
    """The report of a business day. ``closed``: when and by whom the day of the books was closed, ``None`` while it is
    open. ``made_at``: UTC."""

    day: date
    provider: str | None
    made_at: datetime
    closed: Sentence | None
    sections: tuple[Section, ...]

    @property
    def title(self) -> Sentence:
        """What it is the report of."""
        if self.provider is None:
            return Sentence("Clearing of %(day)s", day=self.day)
        return Sentence("Clearing of %(day)s at %(provider)s", day=self.day, provider=self.provider)
