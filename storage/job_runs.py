"""Runs of scheduled jobs: one row for each job and business date, a date of the business zone.

A row is opened by the first run on its date, and finished once. A braked one stops the job until somebody releases it.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ARRAY, Date, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import JOB_RUNS, columns

RENEWALS: Final = "renewals"
DAILY_RECORD: Final = "daily_record"


class Request(msgspec.Struct, frozen=True):
    """A person's request to run a job on a date. ``key``: the same however often the request is sent. ``at``: UTC.
    ``action``: of what operators did, which the job completes."""

    key: str
    by: str
    reason: str
    at: datetime
    action: int | None = None


class JobRun(msgspec.Struct, frozen=True):
    """A job on one business date. ``counts``: what it recorded. ``brake``: why it stopped, at ``braked_at``, until
    ``released_by``. Times in UTC."""

    job: str
    business_date: date
    started_at: datetime
    finished_at: datetime | None
    counts: dict[str, Any]
    braked_at: datetime | None
    brake: str | None
    released_by: str | None
    release_reason: str | None

    @property
    def is_braked(self) -> bool:
        """Nobody released it yet."""
        return self.braked_at is not None and self.released_by is None

    @property
    def request(self) -> Request | None:
        """What a person asked for last."""
        found = self.counts.get("request")
        return None if found is None else msgspec.convert(found, Request)


_COLUMNS: Final = columns(JOB_RUNS)
_TODAY = text("SELECT (now() AT TIME ZONE :zone)::date")
_DATE_OF = text("SELECT (CAST(:at AS timestamptz) AT TIME ZONE :zone)::date")
_NOW = text("SELECT clock_timestamp()")
_LATEST = text(
    f"SELECT {_COLUMNS} FROM job_runs WHERE job = :job ORDER BY business_date DESC LIMIT :limit"  # noqa: S608
)
_LAST_FINISHED = text(
    f"SELECT {_COLUMNS} FROM job_runs WHERE job = :job AND finished_at IS NOT NULL"  # noqa: S608
    " ORDER BY business_date DESC LIMIT 1"
)
_BETWEEN = text(
    f"SELECT {_COLUMNS} FROM job_runs WHERE job = :job AND business_date BETWEEN :first AND :last"  # noqa: S608
    " ORDER BY business_date DESC"
)
_UNFINISHED = text(
    f"SELECT {_COLUMNS} FROM job_runs WHERE job = :job AND finished_at IS NULL ORDER BY business_date"  # noqa: S608
)
_BRAKED = text(
    f"SELECT {_COLUMNS} FROM job_runs WHERE job = :job AND braked_at IS NOT NULL AND released_by IS NULL"  # noqa: S608
    " ORDER BY business_date LIMIT 1"
)
_LAST_BRAKED_AT = text("SELECT max(braked_at) FROM job_runs WHERE job = :job")
_OPEN = text(
    """
    INSERT INTO job_runs (job, business_date, started_at)
    SELECT :job, unnest(:dates), now()
    ON CONFLICT DO NOTHING
    """
).bindparams(bindparam("dates", type_=ARRAY(Date)))
_RECORD = text(
    """
    UPDATE job_runs SET counts = counts || CAST(:counts AS jsonb)
    WHERE job = :job AND business_date = :date AND finished_at IS NULL
    """
)
_ADD = text(
    """
    UPDATE job_runs
    SET counts = counts || jsonb_build_object(CAST(:name AS text), coalesce((counts ->> :name)::bigint, 0) + :number)
    WHERE job = :job AND business_date = :date
    """
)
_FINISH = text(
    "UPDATE job_runs SET finished_at = now() WHERE job = :job AND business_date < :before AND finished_at IS NULL"
)
_FINISH_DATE = text(
    "UPDATE job_runs SET finished_at = now() WHERE job = :job AND business_date = :date AND finished_at IS NULL"
)
_REOPEN = text("UPDATE job_runs SET finished_at = NULL WHERE job = :job AND business_date = :date")
_ASK = text(
    """
    UPDATE job_runs SET finished_at = NULL, counts = counts || jsonb_build_object('request', CAST(:request AS jsonb))
    WHERE job = :job AND business_date = :date
      AND counts #>> '{request,key}' IS DISTINCT FROM :key AND (:again OR counts -> 'request' IS NULL)
    """
)
_WITHDRAW = text("UPDATE job_runs SET counts = counts - 'request' WHERE job = :job AND business_date = :date")
_OF_DATE = text(f"SELECT {_COLUMNS} FROM job_runs WHERE job = :job AND business_date = :date")  # noqa: S608
_FIRST_DATE = text("SELECT min(business_date) FROM job_runs WHERE job = :job")
_NUMBER = text("SELECT count(*) FROM job_runs WHERE job = :job AND business_date BETWEEN :first AND :last")
_BRAKE = text(
    """
    UPDATE job_runs SET braked_at = now(), brake = :reason, released_by = NULL, release_reason = NULL
    WHERE job = :job AND business_date = :date
    """
)
_RELEASE = text(
    """
    UPDATE job_runs SET released_by = :by, release_reason = :reason
    WHERE job = :job AND business_date = :date AND braked_at IS NOT NULL AND released_by IS NULL
    """
)


async def business_date(connection: AsyncConnection, zone: str) -> date:
    """Today in the zone, by Postgres' clock."""
    today: date = (await connection.execute(_TODAY, {"zone": zone})).scalar_one()
    return today


async def date_of(connection: AsyncConnection, zone: str, at: datetime) -> date:
    """The date of a moment (UTC) in the zone."""
    found: date = (await connection.execute(_DATE_OF, {"zone": zone, "at": at})).scalar_one()
    return found


async def postgres_clock(connection: AsyncConnection) -> datetime:
    """Postgres' clock (UTC)."""
    now: datetime = (await connection.execute(_NOW)).scalar_one()
    return now


async def latest(connection: AsyncConnection, job: str, limit: int = 1) -> list[JobRun]:
    """The last runs, the newest first."""
    return await _runs(connection, _LATEST, job=job, limit=limit)


async def last_finished(connection: AsyncConnection, job: str) -> JobRun | None:
    """The finished run of the latest date."""
    return next(iter(await _runs(connection, _LAST_FINISHED, job=job)), None)


async def between(connection: AsyncConnection, job: str, first: date, last: date) -> list[JobRun]:
    """The runs of these dates, the newest first."""
    return await _runs(connection, _BETWEEN, job=job, first=first, last=last)


async def unfinished(connection: AsyncConnection, job: str) -> list[JobRun]:
    """The runs that are not finished, the oldest first."""
    return await _runs(connection, _UNFINISHED, job=job)


async def braked(connection: AsyncConnection, job: str) -> JobRun | None:
    """The run that stops the job until it is released."""
    return next(iter(await _runs(connection, _BRAKED, job=job)), None)


async def last_braked_at(connection: AsyncConnection, job: str) -> datetime | None:
    """When the job was braked last, released or not (UTC)."""
    at: datetime | None = (await connection.execute(_LAST_BRAKED_AT, {"job": job})).scalar_one()
    return at


async def open_runs(connection: AsyncConnection, job: str, dates: Sequence[date]) -> None:
    """Open the runs of these dates. One that is there stays as it is."""
    await connection.execute(_OPEN, {"job": job, "dates": list(dates)})


async def record(connection: AsyncConnection, job: str, date: date, counts: Mapping[str, Any]) -> None:
    """Set ``counts`` of a run that is not finished."""
    values = {"job": job, "date": date, "counts": msgspec.json.encode(counts).decode()}
    await connection.execute(_RECORD, values)


async def add(connection: AsyncConnection, job: str, date: date, name: str, number: int) -> None:
    """Add ``number`` to a count of a run."""
    await connection.execute(_ADD, {"job": job, "date": date, "name": name, "number": number})


async def finish_date(connection: AsyncConnection, job: str, date: date, counts: Mapping[str, Any]) -> None:
    """Finish the run of one date with its counts. One that is finished stays as it is."""
    await record(connection, job, date, counts)
    await connection.execute(_FINISH_DATE, {"job": job, "date": date})


async def reopen(connection: AsyncConnection, job: str, date: date) -> None:
    """Let the job run on a date again, or for the first time. A run that is under way stays as it is."""
    await open_runs(connection, job, [date])
    await connection.execute(_REOPEN, {"job": job, "date": date})


async def ask(connection: AsyncConnection, job: str, date: date, request: Request, *, again: bool = True) -> bool:
    """Let the job run on a date again, or for the first time, because somebody asked. ``False``: the same request was made
    before, or any request where not ``again``; nothing is changed then. A run that is under way stays as it is."""
    await open_runs(connection, job, [date])
    asked = msgspec.json.encode(request).decode()
    values = {"job": job, "date": date, "request": asked, "key": request.key, "again": again}
    return (await connection.execute(_ASK, values)).rowcount > 0


async def withdraw(connection: AsyncConnection, job: str, date: date) -> None:
    """Forget what was asked for."""
    await connection.execute(_WITHDRAW, {"job": job, "date": date})


async def of_date(connection: AsyncConnection, job: str, date: date) -> list[JobRun]:
    """The run of a date, if there is one."""
    return await _runs(connection, _OF_DATE, job=job, date=date)


async def first_date(connection: AsyncConnection, job: str) -> date | None:
    """The earliest date that has a run."""
    found: date | None = (await connection.execute(_FIRST_DATE, {"job": job})).scalar_one()
    return found


async def number(connection: AsyncConnection, job: str, first: date, last: date) -> int:
    """How many of these dates have a run."""
    return int((await connection.execute(_NUMBER, {"job": job, "first": first, "last": last})).scalar_one())


async def finish(connection: AsyncConnection, job: str, before: date) -> None:
    """Finish the runs of all dates before ``before``. One that is finished stays as it is."""
    await connection.execute(_FINISH, {"job": job, "before": before})


async def brake(connection: AsyncConnection, job: str, date: date, reason: str) -> None:
    """Stop the job until this run is released."""
    await connection.execute(_BRAKE, {"job": job, "date": date, "reason": reason})


async def release(connection: AsyncConnection, job: str, date: date, by: str, reason: str) -> bool:
    """Let a braked run go on; ``False`` where the date has none. ``by``: the person who answers for it."""
    values = {"job": job, "date": date, "by": by, "reason": reason}
    return (await connection.execute(_RELEASE, values)).rowcount > 0


async def _runs(connection: AsyncConnection, statement: Any, **values: Any) -> list[JobRun]:
    rows = await connection.execute(statement, values)
    return [JobRun(**row) for row in rows.mappings()]
