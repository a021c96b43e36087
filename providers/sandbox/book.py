"""The sandbox' own book: what really happened at the provider. This is the truth that tests compare with.

Kept in SQLite so that it survives the process; every change is committed before it is answered.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec


class Operation(msgspec.Struct):
    """One operation at the provider. ``amount``: minor units; ``key``: the merchant's idempotency key."""

    id: str
    type: str
    status: str
    amount: int
    key: str | None = None
    reason: str | None = None
    created: float = 0.0
    updated: float = 0.0
    arguments: bytes = b""


class Order(msgspec.Struct):
    """An order at a provider. Amounts in minor units, times in Unix seconds. ``customer``: what they did.
    ``requests`` counts what was asked, ``keys`` holds every idempotency key seen."""

    order_id: str
    provider: str
    currency: str
    amount: int
    status: str
    created: float
    expires: float
    two_stage: bool = False
    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    customer: str | None = None
    reason: str | None = None
    cart: dict[str, Any] = {}
    redirect: dict[str, str] = {}
    operations: list[Operation] = []
    requests: dict[str, int] = {}
    keys: list[str] = []
    blocked: bool = False
    arguments: bytes = b""


class Delivery(msgspec.Struct):
    """A callback that the merchant has not acknowledged. ``due``: Unix seconds."""

    id: int
    order_id: str
    payload: bytes
    due: float
    tries: int


_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, provider TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL,
    authorized INTEGER NOT NULL, captured INTEGER NOT NULL, refunded INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS orders_created ON orders (created);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, payload BLOB NOT NULL, due REAL NOT NULL, tries INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS memory (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Order).decode


class Book:
    """Orders and callbacks still to deliver."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All or nothing, on disk when it ends. Does not nest, and nothing awaits inside."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def find(self, order_id: str) -> Order | None:
        """One order."""
        row = self._db.execute("SELECT body FROM orders WHERE id = ?", (order_id,)).fetchone()
        return None if row is None else _decode(row[0])

    def find_by_operation(self, external_id: str) -> Order | None:
        """The order with an operation of this merchant's id; for rare questions, it reads everything."""
        for (body,) in self._db.execute("SELECT body FROM orders WHERE instr(body, ?) > 0", (external_id,)):
            order = _decode(body)
            if any(operation.key == external_id for operation in order.operations):
                return order
        return None

    def put(self, order: Order) -> None:
        """Write an order."""
        self._db.execute(
            "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                order.order_id, order.provider, order.status, order.created,
                order.authorized, order.captured, order.refunded, _encode(order),
            ),
        )  # fmt: skip

    def select(self, order_ids: Sequence[str] | None, since: float, limit: int) -> list[Order]:
        """Orders by id, or the newest created since then."""
        if order_ids is not None:
            return [order for id in order_ids if (order := self.find(id)) is not None]
        rows = self._db.execute(
            "SELECT body FROM orders WHERE created >= ? ORDER BY created DESC LIMIT ?", (since, limit)
        )
        return [_decode(row[0]) for row in rows]

    def summary(self) -> dict[str, dict[str, int]]:
        """Status → how many orders, and their sums in minor units."""
        rows = self._db.execute(
            "SELECT status, count(*), sum(authorized), sum(captured), sum(refunded) FROM orders GROUP BY status"
        )
        names = ("orders", "authorized", "captured", "refunded")
        return {status: dict(zip(names, figures, strict=True)) for status, *figures in rows}

    def add_delivery(self, order_id: str, payload: bytes, due: float) -> Delivery:
        """A callback to deliver."""
        cursor = self._db.execute(
            "INSERT INTO deliveries (order_id, payload, due, tries) VALUES (?, ?, ?, 0)", (order_id, payload, due)
        )
        return Delivery(int(cursor.lastrowid or 0), order_id, payload, due, 0)

    def postpone(self, delivery: Delivery) -> None:
        """Note a failed try."""
        self._db.execute(
            "UPDATE deliveries SET due = ?, tries = ? WHERE id = ?", (delivery.due, delivery.tries, delivery.id)
        )

    def delivered(self, delivery: Delivery) -> None:
        """It need not be delivered again."""
        self._db.execute("DELETE FROM deliveries WHERE id = ?", (delivery.id,))

    def undelivered(self) -> list[Delivery]:
        """What is left to deliver, after a restart."""
        return [Delivery(*row) for row in self._db.execute("SELECT id, order_id, payload, due, tries FROM deliveries")]

    def recall(self, name: str) -> bytes | None:
        """Something remembered across restarts."""
        row = self._db.execute("SELECT value FROM memory WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def remember(self, name: str, value: bytes) -> None:
        """Remember something across restarts."""
        self._db.execute("INSERT OR REPLACE INTO memory VALUES (?, ?)", (name, value))
