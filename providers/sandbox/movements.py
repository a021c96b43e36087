"""Movements of money at the providers, indexed by time: what their statements are made of.

Each is written with the change of the order that caused it. Statement faults are decided once for each and kept with it,
so that every reading shows the same, and somebody who audits can ask what has to be found.
"""

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from providers.statements import LineKind

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS movements (
    id TEXT PRIMARY KEY, provider TEXT NOT NULL, kind TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL,
    fee INTEGER NOT NULL, at REAL NOT NULL, shown_at REAL NOT NULL, order_id TEXT NOT NULL, operation_id TEXT NOT NULL,
    key TEXT NOT NULL, payout TEXT NOT NULL DEFAULT '', fault TEXT, readings INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS movements_shown ON movements (provider, shown_at, id);
CREATE INDEX IF NOT EXISTS movements_struck ON movements (shown_at) WHERE fault > '';
CREATE TABLE IF NOT EXISTS file_faults (
    provider TEXT NOT NULL, day TEXT NOT NULL, fault TEXT NOT NULL, PRIMARY KEY (provider, day)
) WITHOUT ROWID;
"""
_FIELDS: Final = (
    "id", "provider", "kind", "amount", "currency", "fee", "at", "shown_at", "order_id", "operation_id", "key", "payout",
    "fault", "readings",
)  # fmt: skip
_COLUMNS: Final = ", ".join(_FIELDS)
#: Rows read at once.
_PAGE: Final = 1_000
_INVENTED: Final = uuid.UUID("6f1c2a52-6a4e-4c0f-9f0b-8d6d1a3b7c11")


class Movement(msgspec.Struct, frozen=True):
    """One movement. ``amount``: minor units, positive where the provider owes the merchant more; ``fee``: what it kept.
    Times in Unix seconds by the provider's clock; ``shown_at``: where statements have it. ``key``: the merchant's id of
    the operation. ``payout``: the one that paid it out. ``fault``: that of its statement, empty for none, ``None`` before
    that is decided; ``readings``: how often the line was read since."""

    id: str
    provider: str
    kind: LineKind
    amount: int
    currency: str
    fee: int
    at: float
    shown_at: float
    order_id: str = ""
    operation_id: str = ""
    key: str = ""
    payout: str = ""
    fault: str | None = None
    readings: int = 0


@contextmanager
def changing(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, on disk when the outermost ends. Nothing awaits inside."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


class Movements:
    """The movements in the ledger's file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        #: Seconds by which the providers' clocks are ahead of ours.
        self.offset_s = 0.0

    def now(self) -> float:
        """The time by the providers' clocks, Unix seconds."""
        return time.time() + self.offset_s

    def add(self, movements: list[Movement]) -> None:
        """Write movements; one that is there already stays as it is."""
        marks = ", ".join("?" * len(_FIELDS))
        rows = [msgspec.structs.astuple(movement) for movement in movements]
        with changing(self._db):
            self._db.executemany(f"INSERT OR IGNORE INTO movements VALUES ({marks})", rows)  # noqa: S608

    def knows(self, id: str) -> bool:
        """Whether there is a movement of this id."""
        return self._db.execute("SELECT 1 FROM movements WHERE id = ?", (id,)).fetchone() is not None

    def between(self, provider: str, start: float, end: float) -> Iterator[Movement]:
        """A provider's movements that statements show from ``start`` on and before ``end``, in their order."""
        after = (start, "")
        while True:  # in pages: others may write meanwhile
            found = self._db.execute(
                f"SELECT {_COLUMNS} FROM movements WHERE provider = ? AND (shown_at, id) > (?, ?) "  # noqa: S608
                "AND shown_at < ? ORDER BY shown_at, id LIMIT ?",
                (provider, *after, end, _PAGE),
            ).fetchall()
            page = [_movement(row) for row in found]
            yield from page
            if len(page) < _PAGE:
                return
            after = (page[-1].shown_at, page[-1].id)

    def count(self, provider: str, start: float, end: float) -> int:
        """How many of them there are."""
        found = self._db.execute(
            "SELECT count(*) FROM movements WHERE provider = ? AND shown_at >= ? AND shown_at < ?",
            (provider, start, end),
        )
        return int(found.fetchone()[0])

    def decide(self, provider: str, start: float, end: float, draw: Callable[[], str | None], late_s: float) -> None:
        """Decide the faults of those that have none decided. ``draw``: the next fault, if one strikes; ``late_s``: by how
        much ``register_late`` moves one."""
        undecided = self._db.execute(
            "SELECT id FROM movements WHERE provider = ? AND shown_at >= ? AND shown_at < ? AND fault IS NULL "
            "ORDER BY shown_at, id",
            (provider, start, end),
        ).fetchall()
        drawn = [(draw() or "", id) for (id,) in undecided]
        late = [(late_s, id) for fault, id in drawn if fault == "register_late"]
        with changing(self._db):
            self._db.executemany("UPDATE movements SET fault = ? WHERE id = ?", drawn)
            self._db.executemany("UPDATE movements SET shown_at = shown_at + ? WHERE id = ?", late)

    def count_reading(self, provider: str, start: float, end: float) -> None:
        """The struck ones of these are read once more."""
        self._db.execute(
            "UPDATE movements SET readings = readings + 1 "
            "WHERE provider = ? AND shown_at >= ? AND shown_at < ? AND fault > ''",
            (provider, start, end),
        )

    def file_fault(self, provider: str, day: str, draw: Callable[[], str | None]) -> str:
        """The fault of a day's whole statement, empty for none; decided once."""
        row = self._db.execute(
            "SELECT fault FROM file_faults WHERE provider = ? AND day = ?", (provider, day)
        ).fetchone()
        if row is not None:
            return str(row[0])
        drawn = draw() or ""
        self._db.execute("INSERT INTO file_faults VALUES (?, ?, ?)", (provider, day, drawn))
        return drawn

    def struck(self, start: float, end: float) -> list[Movement]:
        """The movements with a fault that happened, or are shown, from ``start`` on and before ``end``."""
        found = self._db.execute(
            f"SELECT {_COLUMNS} FROM movements WHERE fault > '' "  # noqa: S608
            "AND (at >= :start AND at < :end OR shown_at >= :start AND shown_at < :end) ORDER BY at, id",
            {"start": start, "end": end},
        )
        return [_movement(row) for row in found]

    def struck_files(self, day: str | None) -> list[dict[str, str]]:
        """The faults of whole statements; ``None``: of every day."""
        found = self._db.execute(
            "SELECT provider, day, fault FROM file_faults WHERE fault > '' AND ? IN (day, '*') ORDER BY day, provider",
            (day or "*",),
        )
        return [dict(zip(("provider", "day", "fault"), row, strict=True)) for row in found]

    def forget_faults(self, *, struck: bool) -> None:
        """Decide anew: of all, or of those that were not struck."""
        if struck:
            self._db.execute(
                "UPDATE movements SET fault = NULL, shown_at = at, readings = 0 "
                "WHERE fault = '' OR fault GLOB 'register_*'"
            )
            self._db.execute("DELETE FROM file_faults")
        else:
            self._db.execute("UPDATE movements SET fault = NULL WHERE fault = ''")
            self._db.execute("DELETE FROM file_faults WHERE fault = ''")

    def balance(self, provider: str, until: float) -> dict[str, int]:
        """Currency → what the provider owes the merchant, minor units, by everything that happened before ``until``."""
        found = self._db.execute(
            "SELECT currency, sum(amount - fee) FROM movements WHERE provider = ? AND at < ? GROUP BY currency",
            (provider, until),
        )
        return {currency: int(total) for currency, total in found}

    def pay_out(self, provider: str, currency: str, short: int, late_s: float, fault: str | None) -> Movement | None:
        """Pay out what is not paid out yet; ``None``: there is nothing to pay. ``short``: by how much too little, minor
        units; ``late_s``: how much later; with the fault ``payout_failed`` the bank sends it back."""
        unpaid = "provider = ? AND currency = ? AND payout = '' AND kind NOT IN ('payout', 'payout_failed')"
        total = self._db.execute(
            f"SELECT sum(amount - fee) FROM movements WHERE {unpaid}",  # noqa: S608
            (provider, currency),
        ).fetchone()[0]
        if not total or total <= short:
            return None
        id, at = f"po_{uuid.uuid4().hex}", self.now() + late_s
        self._db.execute(f"UPDATE movements SET payout = ? WHERE {unpaid}", (id, provider, currency))  # noqa: S608
        amount = short - int(total)
        payout = Movement(id, provider, LineKind.PAYOUT, amount, currency, 0, at, at, payout=id, fault=fault)
        self.add([payout])
        if fault == "payout_failed":
            back = Movement(
                f"{id}_back", provider, LineKind.PAYOUT_FAILED, -amount, currency, 0, at + 1, at + 1, payout=id
            )
            self.add([back])
        return payout

    def payouts(self, provider: str) -> list[Movement]:
        """A provider's payouts and those that came back, the oldest first."""
        found = self._db.execute(
            f"SELECT {_COLUMNS} FROM movements WHERE provider = ? AND kind IN ('payout', 'payout_failed') "  # noqa: S608
            "ORDER BY at, id",
            (provider,),
        )
        return [_movement(row) for row in found]

    def of_payout(self, payout: str) -> list[Movement]:
        """What a payout consists of, the oldest first."""
        found = self._db.execute(
            f"SELECT {_COLUMNS} FROM movements WHERE payout = ? ORDER BY at, id",  # noqa: S608
            (payout,),
        )
        return [_movement(row) for row in found]


def another(id: str) -> str:
    """An id like this one; the same each time."""
    if id.isdecimal():
        return str(uuid.uuid5(_INVENTED, id).int)[: len(id)]
    kind, underscore, _ = id.rpartition("_")
    return f"{kind}{underscore}{uuid.uuid5(_INVENTED, id)}"


def _movement(row: tuple[object, ...]) -> Movement:
    return msgspec.convert(dict(zip(_FIELDS, row, strict=True)), Movement)
