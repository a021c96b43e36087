"""Record what people see and do, before they see or have done it."""

from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.language import gettext
from admin.people.person import Person
from admin.problems import Problem
from runtime.clock import utc_now
from runtime.http.problems import ProblemError
from runtime.postgres import POSTGRES_ERRORS
from storage.staff import trail
from storage.staff.trail import Entry, Kind, RecordedEntry

log = structlog.get_logger(__name__)


class Trail:
    """Fails closed: what cannot be recorded is neither shown nor done."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def note(
        self,
        person: Person,
        kind: Kind,
        subject_kind: str,
        subject_id: object,
        *,
        reason: str | None = None,
        **detail: Any,
    ) -> int:
        """Record an entry in a transaction of its own, before a page with personal data is sent or a command is
        published; returns its id. Raises :class:`ProblemError` 503."""
        return await self.write(entry_of(person, kind, subject_kind, subject_id, reason=reason, **detail))

    async def write(self, entry: Entry) -> int:
        """The same, of an entry."""
        try:
            async with self._engine.begin() as connection:
                return await trail.record(connection, entry)
        except (*POSTGRES_ERRORS, SQLAlchemyError) as error:
            log.warning("the trail cannot be written", kind=entry.kind, error=repr(error))
            raise ProblemError(
                Problem.UNAVAILABLE, gettext("What you asked for cannot be put on record now.")
            ) from error

    async def latest(
        self, limit: int, *, before: int | None = None, staff_id: UUID | None = None
    ) -> list[RecordedEntry]:
        """Entries, the newest first: older than the entry ``before``, of one person."""
        async with self._engine.connect() as connection:
            return await trail.latest(connection, limit, before=before, staff_id=staff_id)


async def record(
    connection: AsyncConnection,
    person: Person,
    kind: Kind,
    subject_kind: str,
    subject_id: object,
    *,
    reason: str | None = None,
    **detail: Any,
) -> int:
    """Record an entry in the transaction that changes Postgres, as its last statement: both take effect, or neither."""
    return await trail.record(connection, entry_of(person, kind, subject_kind, subject_id, reason=reason, **detail))


def entry_of(
    person: Person, kind: Kind, subject_kind: str, subject_id: object, *, reason: str | None = None, **detail: Any
) -> Entry:
    """What is recorded of a person: who, in which role and session, from where."""
    return Entry(
        at=utc_now(), staff_id=person.id, who=person.email, role=person.role, session=person.session,
        address=person.address, kind=kind, subject_kind=subject_kind, subject_id=str(subject_id), reason=reason,
        detail=detail,
    )  # fmt: skip
