"""Test clocks: a time of its own for some subscriptions of a client, moved by the scheduler from ``now_at`` to ``target_at``.

Not a concern of production: clocks are made only where the providers are the sandbox.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages import Refusal
from storage.tables import TEST_CLOCKS, columns

#: Subscriptions of one clock: the driver reads those that are due in one page.
MAX_SUBSCRIPTIONS: Final = 1_000
#: A clock goes no further at once.
FURTHEST: Final = timedelta(days=5 * 366)
#: A clock stands between these, so that no period of a subscription leaves the calendar.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
_SHOWN: Final = "%Y-%m-%dT%H:%M:%SZ"


class TestClock(msgspec.Struct, frozen=True):
    """A clock of a client. It stands at ``now_at``, or is on its way to ``target_at`` (UTC)."""

    __test__ = False  # keeps pytest from collecting it

    id: UUID
    client_id: str
    name: str
    now_at: datetime
    target_at: datetime
    created_at: datetime


class ClockState(msgspec.Struct, frozen=True):
    """A clock, and the number of its subscriptions and of their charges under way."""

    clock: TestClock
    subscriptions: int
    charges_open: int

    @property
    def has_arrived(self) -> bool:
        """It stands at its target."""
        return self.clock.now_at >= self.clock.target_at


class ClockRefused(Exception):
    """Nothing was changed: ``refusal`` says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.refusal: Final = Refusal(code, detail)


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


_COLUMNS: Final = columns(TEST_CLOCKS, without=("fingerprint",))
_CREATE = text(
    f"INSERT INTO test_clocks ({_COLUMNS}, fingerprint)"  # noqa: S608
    " VALUES (:id, :client_id, :name, :now_at, :target_at, :created_at, :fingerprint) ON CONFLICT (id) DO NOTHING"
)
_FINGERPRINT = text("SELECT fingerprint FROM test_clocks WHERE id = :id")
_FIND = text(
    f"SELECT {_COLUMNS} FROM test_clocks WHERE id = :id AND client_id = coalesce(CAST(:client_id AS text), client_id)"  # noqa: S608
)
_ADVANCING = text(f"SELECT {_COLUMNS} FROM test_clocks WHERE now_at < target_at ORDER BY created_at, id")  # noqa: S608
_LOCK = text("SELECT now_at, target_at FROM test_clocks WHERE id = :id FOR UPDATE")
_ADVANCE = text("UPDATE test_clocks SET target_at = :target WHERE id = :id")
_OTHERS = text(
    "SELECT count(*) FROM (SELECT FROM subscriptions WHERE clock_id = :id AND id <> :subscription LIMIT :most) AS others"
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


async def create(connection: AsyncConnection, clock: TestClock, fingerprint: str = "") -> bool:
    """Make a clock, in the caller's transaction; ``False``: it was made before. ``fingerprint`` tells a repeat from another
    request for the same id. Raises :class:`ClockRefused`."""
    if not EARLIEST <= clock.now_at <= LATEST:
        raise ClockRefused("invalid_clock_time", f"a clock begins between {EARLIEST:%Y} and {LATEST:%Y}")
    values = msgspec.structs.asdict(clock) | {"fingerprint": fingerprint}
    if (await connection.execute(_CREATE, values)).rowcount:
        return True
    if (await connection.execute(_FINGERPRINT, {"id": clock.id})).scalar_one() != fingerprint:
        raise ClockRefused("idempotency_key_reused", "this Idempotency-Key was used before with another body")
    return False


async def find(connection: AsyncConnection, client_id: str | None, id: UUID) -> TestClock | None:
    """The client's clock with this id; ``client_id``: ``None``: of any client."""
    row = (await connection.execute(_FIND, {"client_id": client_id, "id": id})).mappings().one_or_none()
    return None if row is None else TestClock(**row)


async def read(connection: AsyncConnection, client_id: str | None, id: UUID) -> ClockState | None:
    """The client's clock and what it waits for; ``client_id``: ``None``: of any client."""
    clock = await find(connection, client_id, id)
    if clock is None:
        return None
    found = await waiting(connection, id)
    return ClockState(clock, found.subscriptions, found.charges)


async def advance(connection: AsyncConnection, id: UUID, target: datetime) -> None:
    """Let a clock that exists go on to ``target`` (UTC), in the caller's transaction. Raises :class:`ClockRefused` where it
    goes further already, or that is too far."""
    now_at, target_at = (await connection.execute(_LOCK, {"id": id})).one()
    if target < target_at:
        raise ClockRefused(
            "invalid_clock_time", f"the clock is at {target_at:{_SHOWN}}, or on its way there, and never goes back"
        )
    if target > now_at + FURTHEST:
        raise ClockRefused("invalid_clock_time", f"{target:{_SHOWN}} is more than five years after {now_at:{_SHOWN}}")
    if target > LATEST:
        raise ClockRefused("invalid_clock_time", f"{target:{_SHOWN}} is later than {LATEST:%Y}")
    await connection.execute(_ADVANCE, {"id": id, "target": target})


async def has_room(connection: AsyncConnection, id: UUID, subscription: UUID) -> bool:
    """Whether ``subscription`` may live by the clock beside the committed ones."""
    values = {"id": id, "subscription": subscription, "most": MAX_SUBSCRIPTIONS}
    return bool((await connection.execute(_OTHERS, values)).scalar_one() < MAX_SUBSCRIPTIONS)


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
