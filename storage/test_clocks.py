"""Test clocks: a time of its own for some subscriptions of a client, moved by the scheduler from ``now_at`` to ``target_at``.

Not a concern of production: clocks are made only where the providers are the sandbox.
"""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import TEST_CLOCKS, columns

#: Subscriptions of one clock.
MAX_SUBSCRIPTIONS: Final = 1_000


class TestClock(msgspec.Struct, frozen=True):
    """A clock of a client. It stands at ``now_at``, or is on its way to ``target_at`` (UTC)."""

    __test__ = False  # not a test, whatever pytest makes of the name

    id: UUID
    client_id: str
    name: str
    now_at: datetime
    target_at: datetime
    created_at: datetime


class Waiting(NamedTuple):
    """What a clock waits for. ``subscriptions``: all of them; ``charges``: those under way; ``earliest``: the charge under
    way that was requested first, or the appointment of another subscription before that (UTC)."""

    subscriptions: int
    charges: int
    earliest: datetime | None


class DueByClock(NamedTuple):
    """A subscription with an appointment ``what`` at ``at`` (UTC)."""

    id: UUID
    what: str
    method_id: UUID | None
    at: datetime


_COLUMNS: Final = columns(TEST_CLOCKS)
_CREATE = text(
    f"INSERT INTO test_clocks ({_COLUMNS}) VALUES (:id, :client_id, :name, :now_at, :target_at, :created_at)"  # noqa: S608
)
_FIND = text(
    f"SELECT {_COLUMNS} FROM test_clocks WHERE id = :id AND client_id = coalesce(CAST(:client_id AS text), client_id)"  # noqa: S608
)
_ADVANCING = text(f"SELECT {_COLUMNS} FROM test_clocks WHERE now_at < target_at ORDER BY created_at, id")  # noqa: S608
_ADVANCE = text(
    "UPDATE test_clocks SET target_at = :target WHERE id = :id AND target_at <= :target"
    " AND client_id = coalesce(CAST(:client_id AS text), client_id)"
)
_MOVE = text("UPDATE test_clocks SET now_at = :now WHERE id = :id AND now_at < :now AND target_at >= :now")
_OPEN: Final = "('REQUESTED', 'PENDING', 'UNKNOWN', 'NOT_SENT')"
_WAITING = text(
    f"""
    SELECT count(*), count(a.payment_id), min(coalesce(a.requested_at, s.next_action_at))
    FROM subscriptions s LEFT JOIN renewal_attempts a ON a.subscription_id = s.id AND a.state IN {_OPEN}
    WHERE s.clock_id = :id
    """  # noqa: S608 - made of the constant above
)
# What is due for a subscription with an open charge is a look at it: the clock waits for the charge instead. The
# subscriptions of one customer may charge the same method, whose tries are counted: they take turns.
_DUE = text(
    f"""
    SELECT id, next_action, method_id, next_action_at FROM (
        SELECT s.id, s.next_action, s.method_id, s.next_action_at,
               row_number() OVER (PARTITION BY s.customer_id ORDER BY s.next_action_at, s.id) AS place,
               count(a.payment_id) OVER (PARTITION BY s.customer_id) AS charges
        FROM subscriptions s LEFT JOIN renewal_attempts a ON a.subscription_id = s.id AND a.state IN {_OPEN}
        WHERE s.clock_id = :id
    ) AS waiting
    WHERE place = 1 AND charges = 0 AND next_action_at <= :until
    ORDER BY next_action_at, id
    """  # noqa: S608 - made of the constant above
)


async def create(connection: AsyncConnection, clock: TestClock) -> None:
    """Make a clock."""
    await connection.execute(_CREATE, msgspec.structs.asdict(clock))


async def find(connection: AsyncConnection, client_id: str | None, id: UUID) -> TestClock | None:
    """The client's clock with this id; ``client_id``: ``None``: of any client."""
    row = (await connection.execute(_FIND, {"client_id": client_id, "id": id})).mappings().one_or_none()
    return None if row is None else TestClock(**row)


async def advance(connection: AsyncConnection, client_id: str | None, id: UUID, target: datetime) -> bool:
    """Let the clock go on to ``target`` (UTC); ``False`` where that lies before its present target, or there is none."""
    return (await connection.execute(_ADVANCE, {"client_id": client_id, "id": id, "target": target})).rowcount > 0


async def advancing(connection: AsyncConnection) -> list[TestClock]:
    """The clocks that have not reached their target, the oldest first."""
    return [TestClock(**row) for row in (await connection.execute(_ADVANCING)).mappings()]


async def move(connection: AsyncConnection, id: UUID, now: datetime) -> bool:
    """Let the clock stand at ``now`` (UTC); ``False`` where it does, or is later. It never goes past its target."""
    return (await connection.execute(_MOVE, {"id": id, "now": now})).rowcount > 0


async def waiting(connection: AsyncConnection, id: UUID) -> Waiting:
    """What a clock waits for."""
    return Waiting(*(await connection.execute(_WAITING, {"id": id})).one())


async def due(connection: AsyncConnection, id: UUID, until: datetime) -> list[DueByClock]:
    """The next subscription of each customer of a clock with an appointment up to ``until`` (UTC), where no charge of the
    customer is under way."""
    return [DueByClock(*row) for row in await connection.execute(_DUE, {"id": id, "until": until})]
