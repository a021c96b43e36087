"""The providers' own record of orders, which tests and the audit compare with.

It is kept in SQLite and survives the process; every change is committed before the call is answered.
"""

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import msgspec

from providers.sandbox.movements import SCHEMA as MOVEMENTS_SCHEMA
from providers.sandbox.movements import Movements, changing

#: A checkpoint makes every call wait for the disk: rare ones cost less. Pages of 4 KB.
CHECKPOINT_PAGES: Final = 10_000


class Operation(msgspec.Struct):
    """One operation at the provider. ``amount``: minor units; ``key``: the merchant's idempotency key; ``request``:
    the id of the request; ``arguments``: a digest of its body; ``target``: the cart after a refund, ``details``: further
    data, both as the provider has them."""

    id: str
    type: str
    status: str
    amount: int
    key: str | None = None
    reason: str | None = None
    created: float = 0.0
    updated: float = 0.0
    request: str | None = None
    arguments: bytes = b""
    target: dict[str, Any] | None = None
    details: dict[str, Any] = {}


def new_operation(type: str, status: str, amount: int, now: float, reason: str | None = None) -> Operation:
    """An operation with an id made by the provider. ``amount``: minor units; ``now``: Unix seconds."""
    return Operation(str(uuid.uuid4()), type, status, amount, reason=reason, created=now, updated=now)


class Order(msgspec.Struct):
    """An order at a provider. Amounts in minor units, times in Unix seconds. ``status``: one of
    :class:`billing.vocabulary.PaymentStatus`. ``customer``: the customer's action. ``redirect``: where they return to,
    ``onSuccess`` and ``onError``. ``requests`` counts calls by operation, ``keys`` holds every request id. ``blocked``:
    can no longer be paid. ``details``: further data as the provider has them."""

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
    details: dict[str, Any] = {}

    def note(self, operation: str, request_id: str | None) -> None:
        """Count a call and keep its request id."""
        self.requests[operation] = self.requests.get(operation, 0) + 1
        if request_id and request_id not in self.keys:
            self.keys.append(request_id)


class Delivery(msgspec.Struct):
    """A callback that the merchant has not acknowledged. ``due``: Unix seconds."""

    id: int
    provider: str
    order_id: str
    payload: bytes
    due: float
    tries: int


class Answer(msgspec.Struct, frozen=True):
    """The answer to an idempotency key. ``digest``: of the request; ``given``: Unix seconds."""

    digest: bytes
    status: int
    body: bytes
    given: float


_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, provider TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL,
    authorized INTEGER NOT NULL, captured INTEGER NOT NULL, refunded INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_created ON orders (created);
CREATE INDEX IF NOT EXISTS orders_newest ON orders (provider, created, id);
CREATE TABLE IF NOT EXISTS totals (
    status TEXT PRIMARY KEY, orders INTEGER NOT NULL,
    authorized INTEGER NOT NULL, captured INTEGER NOT NULL, refunded INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS orders_opened AFTER INSERT ON orders BEGIN
    INSERT INTO totals VALUES (new.status, 1, new.authorized, new.captured, new.refunded)
    ON CONFLICT DO UPDATE SET orders = orders + 1, authorized = authorized + excluded.authorized,
        captured = captured + excluded.captured, refunded = refunded + excluded.refunded;
END;
CREATE TRIGGER IF NOT EXISTS orders_changed AFTER UPDATE ON orders
WHEN (old.status, old.authorized, old.captured, old.refunded)
    IS NOT (new.status, new.authorized, new.captured, new.refunded)
BEGIN
    UPDATE totals SET orders = orders - 1, authorized = authorized - old.authorized,
        captured = captured - old.captured, refunded = refunded - old.refunded WHERE status = old.status;
    INSERT INTO totals VALUES (new.status, 1, new.authorized, new.captured, new.refunded)
    ON CONFLICT DO UPDATE SET orders = orders + 1, authorized = authorized + excluded.authorized,
        captured = captured + excluded.captured, refunded = refunded + excluded.refunded;
END;
CREATE TABLE IF NOT EXISTS operations (key TEXT PRIMARY KEY, order_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unfinished (operation_id TEXT PRIMARY KEY, order_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, payload BLOB NOT NULL, due REAL NOT NULL, tries INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
    provider TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    given REAL NOT NULL, PRIMARY KEY (provider, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS memory (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""
_COUNT = """
INSERT INTO totals SELECT status, count(*), sum(authorized), sum(captured), sum(refunded) FROM orders GROUP BY status
"""
_PUT = """
INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, authorized = excluded.authorized,
    captured = excluded.captured, refunded = excluded.refunded, body = excluded.body
"""
_UNFINISHED = """
SELECT order_id, operation_id FROM unfinished JOIN orders ON orders.id = order_id WHERE provider = ?
"""
_NEWEST = """
SELECT body FROM orders WHERE provider = ? AND created >= ? AND (created, id) < (?, ?) ORDER BY created DESC, id DESC
"""
_UNDELIVERED = """
SELECT deliveries.id, provider, order_id, payload, due, tries FROM deliveries JOIN orders ON orders.id = order_id
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Order).decode


class ProviderLedger:
    """Orders, the movements of money that they made, undelivered callbacks, and providers' settings."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # Survives the process; a power failure may lose the last changes, not the file.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._db.executescript(_SCHEMA + MOVEMENTS_SCHEMA)
        self.movements = Movements(self._db)
        if self._db.execute("SELECT 1 FROM totals").fetchone() is None:
            self._db.execute(_COUNT)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def change(self) -> AbstractContextManager[None]:
        """All or nothing, on disk when the outermost ends. Nothing awaits inside."""
        return changing(self._db)

    def find(self, order_id: str) -> Order | None:
        """One order."""
        row = self._db.execute("SELECT body FROM orders WHERE id = ?", (order_id,)).fetchone()
        return None if row is None else _decode(row[0])

    def find_by_operation(self, key: str) -> Order | None:
        """The order with an operation of this id, the merchant's or the provider's."""
        row = self._db.execute("SELECT order_id FROM operations WHERE key = ?", (key,)).fetchone()
        return None if row is None else self.find(row[0])

    def put(self, order: Order) -> None:
        """Write an order."""
        self._db.execute(
            _PUT,
            (
                order.order_id, order.provider, order.status, order.created,
                order.authorized, order.captured, order.refunded, _encode(order),
            ),
        )  # fmt: skip

    def index(self, order: Order, *keys: str | None) -> None:
        """Index an order by ids of its operations, the merchant's and the provider's."""
        rows = [(key, order.order_id) for key in keys if key]
        self._db.executemany("INSERT OR REPLACE INTO operations VALUES (?, ?)", rows)

    def begin(self, order: Order, operation: Operation) -> None:
        """An operation stays open after its call was answered."""
        self._db.execute("INSERT INTO unfinished VALUES (?, ?)", (operation.id, order.order_id))

    def end(self, operation: Operation) -> None:
        """The operation has ended."""
        self._db.execute("DELETE FROM unfinished WHERE operation_id = ?", (operation.id,))

    def unfinished(self, provider: str) -> list[tuple[str, str]]:
        """(order id, operation id) of a provider's open operations, after a restart."""
        return list(self._db.execute(_UNFINISHED, (provider,)))

    def select(self, since: float, limit: int) -> list[Order]:
        """The newest orders created since then (Unix seconds)."""
        return [_decode(body) for body in self._bodies(since, limit)]

    def newest(self, provider: str, before: tuple[float, str], since: float = 0.0) -> Iterator[Order]:
        """A provider's orders, the newest first, from ``before`` (created in Unix seconds, id) on. ``since``: those created
        earlier (Unix seconds) are left out."""
        rows = self._db.execute(_NEWEST, (provider, since, *before))
        return (_decode(row[0]) for row in rows)

    def json(self, order_ids: Sequence[str] | None, since: float, limit: int) -> bytes:
        """Orders by id, or the newest created since then, as a JSON array, without decoding them, so that
        reading many is cheap."""
        if order_ids is None:
            return b"[" + b",".join(self._bodies(since, limit)) + b"]"
        return _encode([order for id in order_ids if (order := self.find(id)) is not None])

    def _bodies(self, since: float, limit: int) -> Iterator[bytes]:
        rows = self._db.execute(
            "SELECT body FROM orders WHERE created >= ? ORDER BY created DESC LIMIT ?", (since, limit)
        )
        return (row[0] for row in rows)

    def summary(self) -> dict[str, dict[str, int]]:
        """Status → how many orders, and their sums in minor units."""
        rows = self._db.execute("SELECT status, orders, authorized, captured, refunded FROM totals WHERE orders > 0")
        names = ("orders", "authorized", "captured", "refunded")
        return {status: dict(zip(names, figures, strict=True)) for status, *figures in rows}

    def add_delivery(self, order: Order, payload: bytes, due: float) -> Delivery:
        """A callback to deliver."""
        cursor = self._db.execute(
            "INSERT INTO deliveries (order_id, payload, due, tries) VALUES (?, ?, ?, 0)", (order.order_id, payload, due)
        )
        return Delivery(int(cursor.lastrowid or 0), order.provider, order.order_id, payload, due, 0)

    def postpone(self, delivery: Delivery) -> None:
        """Record a failed attempt."""
        self._db.execute(
            "UPDATE deliveries SET due = ?, tries = ? WHERE id = ?", (delivery.due, delivery.tries, delivery.id)
        )

    def delivered(self, ids: Sequence[int]) -> None:
        """These need not be delivered again."""
        with self.change():
            self._db.executemany("DELETE FROM deliveries WHERE id = ?", [(id,) for id in ids])

    def undelivered(self) -> list[Delivery]:
        """The undelivered callbacks, after a restart."""
        return [Delivery(*row) for row in self._db.execute(_UNDELIVERED)]

    def answered(self, provider: str, key: str) -> Answer | None:
        """The answer that was given to an idempotency key."""
        row = self._db.execute(
            "SELECT digest, status, body, given FROM answers WHERE provider = ? AND key = ?", (provider, key)
        ).fetchone()
        return None if row is None else Answer(*row)

    def keep_answer(self, provider: str, key: str, answer: Answer) -> None:
        """Keep an answer, in place of an older one to the same key."""
        self._db.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
            (provider, key, answer.digest, answer.status, answer.body, answer.given),
        )

    def recall(self, name: str) -> bytes | None:
        """A value kept across restarts."""
        row = self._db.execute("SELECT value FROM memory WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def remember(self, name: str, value: bytes) -> None:
        """Keep a value across restarts."""
        self._db.execute("INSERT OR REPLACE INTO memory VALUES (?, ?)", (name, value))
