"""What the books say of this moment, for the monitor: each statement reads an index and a bounded number of rows.

Not here: the audit, which reads everything (`storage/inspection/`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

#: More rows than these are not counted: who sees the number knows that it is far too many.
COUNTED: Final = 10_000
#: Only postings of this last while are added up, seconds; older ones are `billing verify`'s.
BALANCED_S: Final = 120

# By payments_unfinished, which holds nothing else.
_UNFINISHED = text(
    """
    SELECT found.provider, found.status, found.number, found.oldest, (
        SELECT id FROM payments p
        WHERE p.status IN ('PENDING', 'AUTHORIZED') AND p.provider = found.provider AND p.status = found.status
        ORDER BY p.created_at LIMIT 1
    )
    FROM (
        SELECT provider, status, count(*) AS number, min(created_at) AS oldest FROM payments
        WHERE status IN ('PENDING', 'AUTHORIZED') GROUP BY provider, status
    ) AS found
    ORDER BY found.oldest
    """
)
# By operations_chase, which holds the open ones alone.
_UNKNOWN = text(
    """
    SELECT provider, type, count(*), min(created_at) FROM operations
    WHERE next_chase_at IS NOT NULL AND status = 'UNKNOWN' GROUP BY provider, type
    """
)
# By operations_chase. Those of a provider that is not called now stay due on purpose.
_OVERDUE = text(
    """
    SELECT provider, count(*), min(next_chase_at) FROM (
        SELECT provider, next_chase_at FROM operations
        WHERE next_chase_at < now() - interval '60 seconds' ORDER BY next_chase_at LIMIT :counted
    ) AS due GROUP BY provider
    """
)
# By parked_callbacks_due.
_PARKED = text(
    """
    SELECT provider, count(*), min(received_at) FROM (
        SELECT provider, received_at FROM parked_callbacks ORDER BY next_try_at LIMIT :counted
    ) AS waiting GROUP BY provider
    """
)
# By ledger_entries_account. A posting is there whole or not at all, and its entries have one time.
_IMBALANCE = text(
    """
    SELECT currency, sum(amount) FROM ledger_entries
    WHERE account = ANY (ARRAY(SELECT code FROM ledger_accounts)) AND posted_at > now() - make_interval(secs => :seconds)
    GROUP BY currency
    """
)
# By discrepancies_open.
_DISCREPANCIES = text(
    """
    SELECT provider, kind, currency, count(*), sum(coalesce(ours, 0) - coalesce(theirs, 0))
    FROM discrepancies WHERE state <> 'CLOSED' GROUP BY provider, kind, currency
    """
)
# By approvals_open. Requests that are refused or expired wait for nobody.
_APPROVALS = text(
    """
    SELECT CASE WHEN decision IS NULL THEN 'waiting' ELSE 'not sent' END, count(*),
           min(coalesce(decided_at, requested_at))
    FROM (
        SELECT decision, decided_at, requested_at FROM approvals
        WHERE sent_at IS NULL AND (decision IS NULL AND expires_at > now() OR decision = 'approved')
        ORDER BY requested_at LIMIT :counted
    ) AS waiting GROUP BY 1
    """
)
# A row a job and date.
_JOBS = text(
    """
    SELECT job, max(finished_at), max(started_at), bool_or(braked_at IS NOT NULL AND released_by IS NULL)
    FROM job_runs GROUP BY job
    """
)
_PROCESSES = text(
    "SELECT kind, version, count(*) FROM process_leases WHERE until > now() GROUP BY kind, version ORDER BY 1, 2"
)
_POSITIONS = text(
    """
    SELECT consumer, topic, partition, next_offset, published_offset FROM stream_positions
    ORDER BY consumer, topic, partition
    """
)
# By the primary key.
_RESOLVED = text(
    """
    SELECT count(*) FROM unnest(:partitions, :firsts) AS held (partition, first)
    JOIN dead_letter_resolutions r ON r.dead_partition = held.partition AND r.dead_offset >= held.first
    """
).bindparams(bindparam("partitions", type_=ARRAY(Integer)), bindparam("firsts", type_=ARRAY(BigInteger)))
_NOW = text("SELECT now()")


class Unfinished(NamedTuple):
    """The unfinished payments of a provider in one state; ``oldest``: when the oldest was created (UTC), ``payment``: its
    id."""

    provider: str
    state: str
    number: int
    oldest: datetime
    payment: UUID


class Group(NamedTuple):
    """What waits, by provider and kind; ``oldest``: since when the oldest does (UTC)."""

    provider: str
    kind: str
    number: int
    oldest: datetime


class Difference(NamedTuple):
    """Open discrepancies of one kind; ``amount``: what the books say more than the provider, minor units of ``currency``,
    which a discrepancy without an amount does not have."""

    provider: str
    kind: str
    currency: str | None
    number: int
    amount: int


class Approvals(NamedTuple):
    """Requests for a second person that are ``waiting`` for a decision, or that are approved and ``not sent``; ``oldest``:
    since when the oldest is so (UTC)."""

    state: str
    number: int
    oldest: datetime


class Job(NamedTuple):
    """The latest runs of a job: times in UTC, ``None``: none yet. ``braked``: it waits for a person."""

    name: str
    finished_at: datetime | None
    started_at: datetime | None
    braked: bool


class Processes(NamedTuple):
    """How many processes of a kind run a version."""

    kind: str
    version: str
    number: int


class Position(NamedTuple):
    """How far a consumer has processed a partition (``next_offset``) and published what followed."""

    consumer: str
    topic: str
    partition: int
    next_offset: int
    published_offset: int


async def now(connection: AsyncConnection) -> datetime:
    """Postgres' clock (UTC): ages are by it, like the times that they are counted from."""
    moment: datetime = (await connection.execute(_NOW)).scalar_one()
    return moment


async def unfinished(connection: AsyncConnection) -> list[Unfinished]:
    """The payments that are pending or authorized, the oldest group first."""
    return [Unfinished(*row) for row in await connection.execute(_UNFINISHED)]


async def unknown_operations(connection: AsyncConnection) -> list[Group]:
    """Operations whose outcome is not known, by provider and type."""
    return [Group(*row) for row in await connection.execute(_UNKNOWN)]


async def overdue_follow_ups(connection: AsyncConnection) -> list[Group]:
    """Questions to providers that are due for more than a minute, up to :data:`COUNTED`."""
    rows = await connection.execute(_OVERDUE, {"counted": COUNTED})
    return [Group(provider, "follow-up", number, oldest) for provider, number, oldest in rows]


async def parked_callbacks(connection: AsyncConnection) -> list[Group]:
    """Callbacks that wait for their payment, up to :data:`COUNTED`."""
    rows = await connection.execute(_PARKED, {"counted": COUNTED})
    return [Group(provider, "callback", number, oldest) for provider, number, oldest in rows]


async def imbalance(connection: AsyncConnection) -> dict[str, int]:
    """Currency → the sum of the entries of the last :data:`BALANCED_S` seconds, minor units: anything but 0 is wrong."""
    rows = await connection.execute(_IMBALANCE, {"seconds": BALANCED_S})
    return {currency: int(amount) for currency, amount in rows}


async def differences(connection: AsyncConnection) -> list[Difference]:
    """The discrepancies that are not closed, by provider, kind and currency."""
    rows = await connection.execute(_DISCREPANCIES)
    return [
        Difference(provider, kind, currency, number, int(amount)) for provider, kind, currency, number, amount in rows
    ]


async def approvals(connection: AsyncConnection) -> list[Approvals]:
    """What waits for a second person or, approved, for its way to Kafka, up to :data:`COUNTED`."""
    return [Approvals(*row) for row in await connection.execute(_APPROVALS, {"counted": COUNTED})]


async def jobs(connection: AsyncConnection) -> list[Job]:
    """Every job that has run."""
    return [Job(*row) for row in await connection.execute(_JOBS)]


async def processes(connection: AsyncConnection) -> list[Processes]:
    """The processes that hold a lease, by kind and version."""
    return [Processes(*row) for row in await connection.execute(_PROCESSES)]


async def positions(connection: AsyncConnection) -> list[Position]:
    """The positions of every consumer."""
    return [Position(*row) for row in await connection.execute(_POSITIONS)]


async def resolved_letters(connection: AsyncConnection, firsts: Mapping[int, int]) -> int:
    """How many dead letters are resolved among those that Kafka holds: partition → the first offset there."""
    values = {"partitions": list(firsts), "firsts": list(firsts.values())}
    return int((await connection.execute(_RESOLVED, values)).scalar_one())
