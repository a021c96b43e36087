"""Files of refunds that people uploaded. Who may change one, and to what, is said by the statement that changes it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import BULK_JOBS, columns


class State(StrEnum):
    """``CHECKING``: the dry run is made; ``READY``: it is over, and nothing was sent; ``STOPPED``: given up."""

    CHECKING = "checking"
    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"


#: State → those from which a job gets there by a person or, to the last one, by itself.
CHANGES: Final[Mapping[State, tuple[State, ...]]] = {
    State.CHECKING: (State.READY,),
    State.READY: (State.CHECKING,),
    State.RUNNING: (State.READY, State.PAUSED),
    State.PAUSED: (State.RUNNING,),
    State.STOPPED: (State.CHECKING, State.READY, State.RUNNING, State.PAUSED),
    State.FINISHED: (State.RUNNING,),
}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A file. ``rows``: its lines; ``version``: grows with every change of the state; ``approval``: the latest request for
    one. Times are UTC."""

    id: UUID
    file_name: str
    file_hash: bytes
    reason: str
    rows: int
    state: State
    version: int
    approval: UUID | None = None
    created_by: str
    created_at: datetime
    changed_by: str
    changed_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


_COLUMNS: Final = columns(BULK_JOBS)
_ADD = text(
    f"INSERT INTO bulk_jobs ({_COLUMNS}) VALUES ({columns(BULK_JOBS, prefix=':')})"  # noqa: S608 - of constants
    " ON CONFLICT DO NOTHING RETURNING id"
)
_FIND = text(f"SELECT {_COLUMNS} FROM bulk_jobs WHERE id = :id")  # noqa: S608 - of constants
_HOLD = text(f"SELECT {_COLUMNS} FROM bulk_jobs WHERE id = :id FOR NO KEY UPDATE")  # noqa: S608 - of constants
_OF_FILE = text(
    f"""
    SELECT {_COLUMNS} FROM bulk_jobs WHERE file_hash = :hash AND (state <> 'stopped' OR started_at IS NOT NULL)
    """  # noqa: S608 - of constants
)
_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM bulk_jobs
    WHERE CAST(:id AS uuid) IS NULL OR (created_at, id) < (SELECT created_at, id FROM bulk_jobs WHERE id = :id)
    ORDER BY created_at DESC, id DESC LIMIT :limit
    """  # noqa: S608 - of constants
)
_IN_STATE = text(
    f"SELECT {_COLUMNS} FROM bulk_jobs WHERE state = :state ORDER BY coalesce(started_at, created_at), id"  # noqa: S608
)
_CHANGE = text(
    """
    UPDATE bulk_jobs
    SET state = :state, version = version + 1, changed_by = :by, changed_at = now(),
        approval = CASE WHEN :state = 'checking' THEN NULL ELSE approval END,
        started_at = CASE WHEN :state = 'running' THEN coalesce(started_at, now()) ELSE started_at END,
        ended_at = CASE WHEN :state IN ('stopped', 'finished') THEN now() END
    WHERE id = :id AND version = :version AND state = ANY(:before)
    RETURNING id
    """
).bindparams(bindparam("before", type_=ARRAY(Text)), bindparam("state", type_=Text))
_TAKE = text(
    """
    UPDATE bulk_jobs SET approval = :approval, version = version + 1, changed_by = :by, changed_at = now()
    WHERE id = :id AND version = :version AND state = 'ready' RETURNING id
    """
)


async def add(connection: AsyncConnection, job: Job) -> bool:
    """Record a job in the caller's transaction; ``False`` where it, or one of the same file, is on record."""
    return (await connection.execute(_ADD, msgspec.structs.asdict(job))).scalar() is not None


async def find(connection: AsyncConnection, id: UUID) -> Job | None:
    """The job with this id."""
    return _job((await connection.execute(_FIND, {"id": id})).mappings().one_or_none())


async def hold(connection: AsyncConnection, id: UUID) -> Job | None:
    """The job with this id, which nobody else changes until the end of the caller's transaction."""
    return _job((await connection.execute(_HOLD, {"id": id})).mappings().one_or_none())


async def of_file(connection: AsyncConnection, file_hash: bytes) -> Job | None:
    """The job that has this file, unless it was stopped before it began."""
    return _job((await connection.execute(_OF_FILE, {"hash": file_hash})).mappings().one_or_none())


async def page(connection: AsyncConnection, after: UUID | None, limit: int) -> list[Job]:
    """Jobs, the newest first; those after the job ``after``."""
    rows = (await connection.execute(_PAGE, {"id": after, "limit": limit})).mappings()
    return [msgspec.convert(dict(row), Job) for row in rows]


async def in_state(connection: AsyncConnection, state: State) -> list[Job]:
    """The jobs in this state, what began first at the top."""
    rows = (await connection.execute(_IN_STATE, {"state": state.value})).mappings()
    return [msgspec.convert(dict(row), Job) for row in rows]


async def change(
    connection: AsyncConnection, job: Job, state: State, by: str, before: Collection[State] | None = None
) -> bool:
    """Change the state of the job as it was seen, in the caller's transaction. ``False`` where it has changed meanwhile, or
    does not get there from its state. ``before``: of :data:`CHANGES`, where not all are meant."""
    states = [one.value for one in (CHANGES[state] if before is None else before)]
    values: dict[str, Any] = {"id": job.id, "version": job.version, "state": state.value, "by": by, "before": states}
    return (await connection.execute(_CHANGE, values)).scalar() is not None


async def take(connection: AsyncConnection, job: Job, approval: UUID, by: str) -> bool:
    """The job's approval is this one, asked for or decided by a person, in the caller's transaction. ``False`` where the job
    has changed meanwhile, or is not ready."""
    values = {"id": job.id, "version": job.version, "approval": approval, "by": by}
    return (await connection.execute(_TAKE, values)).scalar() is not None


def _job(row: Mapping[Any, Any] | None) -> Job | None:
    return None if row is None else msgspec.convert(dict(row), Job)
