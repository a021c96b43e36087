"""Discrepancies and their history. A row moves by its life cycle only, at the version that was seen."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
from sqlalchemy import ARRAY, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing.discrepancies import FINAL_RESOLUTIONS, HANDLING, Event, Kind, Resolution, Severity, State, step
from billing.messages.clearing_events import DiscrepancyChanged
from storage.clearing import events
from storage.tables import DISCREPANCIES, columns

_NAMESPACE: Final = UUID("3f0a5a50-6d0e-4b3e-9a53-0e6d2a1c7b11")
PAGE: Final = 2_000

_COLUMNS: Final = columns(DISCREPANCIES, without=("posted_version",))
_KNOWN = text(f"SELECT {_COLUMNS} FROM discrepancies WHERE id = ANY(:ids) FOR UPDATE").bindparams(  # noqa: S608
    bindparam("ids", type_=ARRAY(Uuid))
)
_ONE = text(f"SELECT {_COLUMNS} FROM discrepancies WHERE id = :id")  # noqa: S608
_HISTORY = text(
    "SELECT version, at, actor, event, kind, state, reason, evidence FROM discrepancy_events"
    " WHERE discrepancy_id = :id ORDER BY version"
)
# An order is asked about by the operation that opened it.
_TO_ASK = text(
    f"""
    SELECT {_COLUMNS}, coalesce(operation_id, (
        SELECT o.id FROM operations o
        WHERE o.payment_id = discrepancies.payment_id AND o.provider = discrepancies.provider
          AND o.action IN ('CREATE', 'RECUR')
        ORDER BY o.created_at LIMIT 1
    )) AS about
    FROM discrepancies
    WHERE provider = :provider AND state = 'OPEN' AND payment_id IS NOT NULL AND asked_for IS DISTINCT FROM :day
      AND kind <> ALL(:without)
    ORDER BY id LIMIT :limit FOR UPDATE
    """  # noqa: S608
).bindparams(bindparam("without", type_=ARRAY(Text)))
_AWAITS = text(
    """
    SELECT EXISTS (SELECT FROM discrepancies WHERE provider = :provider AND state <> 'CLOSED' AND asked_for = :day)
    """
)
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM discrepancies
    WHERE (CAST(:provider AS text) IS NULL OR provider = :provider) AND (CAST(:day AS date) IS NULL OR business_date = :day)
      AND (CAST(:kind AS text) IS NULL OR kind = :kind) AND (CAST(:payment_id AS uuid) IS NULL OR payment_id = :payment_id)
      AND (CAST(:severity AS text) IS NULL OR severity = :severity) AND (CAST(:owner AS text) IS NULL OR owner = :owner)
      AND CASE WHEN CAST(:state AS text) IS NULL THEN state <> 'CLOSED' ELSE state = :state END
      AND (CAST(:after_id AS uuid) IS NULL OR (coalesce(due_at, 'infinity'), opened_at, id)
           > (coalesce(CAST(:after_due AS timestamptz), 'infinity'), CAST(:after_opened AS timestamptz), :after_id))
    ORDER BY coalesce(due_at, 'infinity'), opened_at, id LIMIT :limit
    """  # noqa: S608
)
_OPEN_OF = text("SELECT count(*) FROM discrepancies WHERE payment_id = :payment_id AND state <> 'CLOSED'")
_REQUESTED = text(
    """
    SELECT evidence -> 'request' ->> 'fingerprint' FROM discrepancy_events
    WHERE discrepancy_id = :id AND evidence -> 'request' ->> 'id' = :command_id
    """
)
_BY_KIND = text(
    """
    SELECT kind, state, count(*) FROM discrepancies WHERE provider = :provider AND business_date = :day
    GROUP BY 1, 2 ORDER BY 1, 2
    """
)
_SAVE = text(
    f"""
    INSERT INTO discrepancies ({_COLUMNS})
    SELECT {_COLUMNS} FROM json_populate_recordset(NULL::discrepancies, CAST(:rows AS json))
    ON CONFLICT (id) DO UPDATE SET
    {", ".join(f"{c.name} = EXCLUDED.{c.name}" for c in DISCREPANCIES.columns if c.name not in ("id", "provider", "subject", "opened_at", "posted_version"))}
    WHERE discrepancies.version = EXCLUDED.version - 1
    """  # noqa: S608
)
_NOTE = text(
    """
    INSERT INTO discrepancy_events (discrepancy_id, version, at, actor, event, kind, state, reason, evidence)
    SELECT discrepancy_id, version, at, actor, event, kind, state, reason, evidence
    FROM json_populate_recordset(NULL::discrepancy_events, CAST(:rows AS json))
    """
)


class Discrepancy(msgspec.Struct, frozen=True, kw_only=True):
    """A row. ``ours``, ``theirs``: signed minor units. ``asked``: on how many business days the payment was told of it, for
    the last time on ``asked_for``. ``due_at``: by when somebody has to act. ``confirm_by``: the business day whose
    statement has to confirm the resolution. Times in UTC."""

    id: UUID
    provider: str
    subject: str
    kind: Kind
    severity: Severity
    state: State
    business_date: date
    payment_id: UUID | None = None
    operation_id: UUID | None = None
    currency: str | None = None
    ours: int | None = None
    theirs: int | None = None
    detail: dict[str, Any] = {}
    owner: str | None = None
    due_at: datetime | None = None
    asked: int = 0
    asked_for: date | None = None
    resolution: Resolution | None = None
    confirm_by: date | None = None
    version: int
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found about one subject. ``kind``: ``None`` where both sides agree: what is open of it closes."""

    subject: str
    kind: Kind | None
    payment_id: UUID | None = None
    operation_id: UUID | None = None
    currency: str | None = None
    ours: int | None = None
    theirs: int | None = None
    detail: dict[str, Any] = {}


class HistoryEntry(msgspec.Struct, frozen=True):
    """One event of a discrepancy."""

    version: int
    at: datetime
    actor: str
    event: Event
    kind: Kind
    state: State
    reason: str | None
    evidence: dict[str, Any]


class Change(msgspec.Struct, frozen=True):
    """A discrepancy before (``None``: there was none) and after an event, and why."""

    before: Discrepancy | None
    after: Discrepancy
    event: Event
    reason: str | None = None


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which discrepancies. ``day``: on which they were found; ``state``: ``None`` for all that are not closed."""

    provider: str | None = None
    day: date | None = None
    kind: Kind | None = None
    state: State | None = None
    severity: Severity | None = None
    owner: str | None = None
    payment_id: UUID | None = None


class Place(msgspec.Struct, frozen=True):
    """A place in the list, the most urgent first: behind the discrepancy with these values (UTC)."""

    due_at: datetime | None
    opened_at: datetime
    id: UUID


class Command(msgspec.Struct, frozen=True):
    """A request to decide, kept with the event that it caused. ``id``: the same for every repeat; ``fingerprint`` tells a
    repeat from another request under the same key."""

    id: UUID
    fingerprint: str


class Decided(msgspec.Struct, frozen=True):
    """A discrepancy after a decision. ``is_new``: ``False`` where the command was carried out before."""

    discrepancy: Discrepancy
    is_new: bool


class Refused(Exception):
    """The discrepancy cannot be moved so; the message says why."""


class Missing(Refused):
    """There is no such discrepancy."""


class Changed(Refused):
    """Another version was seen."""


class KeyReused(Refused):
    """Another decision about it was asked for under the same key."""


def discrepancy_id(provider: str, subject: str) -> UUID:
    """The id of the discrepancy of a subject: one row, however often it is found."""
    return uuid5(_NAMESPACE, f"{provider}|{subject}")


async def one(connection: AsyncConnection, id: UUID) -> Discrepancy | None:
    """The discrepancy with this id."""
    row = (await connection.execute(_ONE, {"id": id})).mappings().one_or_none()
    return None if row is None else _read(row)


async def history(connection: AsyncConnection, id: UUID) -> list[HistoryEntry]:
    """What happened to a discrepancy, in order."""
    rows = (await connection.execute(_HISTORY, {"id": id})).mappings()
    return [msgspec.convert(dict(row), HistoryEntry) for row in rows]


async def record(
    connection: AsyncConnection,
    provider: str,
    day: date,
    findings: Sequence[Finding],
    now: datetime,
    *,
    actor: str,
) -> list[Discrepancy]:
    """Record what a comparison of ``day`` found, in the caller's transaction; returns what it changed. The same findings
    again change nothing."""
    ids = {discrepancy_id(provider, f.subject): f for f in findings}
    rows = await connection.execute(_KNOWN, {"ids": sorted(ids)})
    known = {row["id"]: _read(row) for row in rows.mappings()}
    changed = []
    for id, finding in ids.items():
        after = _after(known.get(id), id, provider, day, finding, now)
        if after is not None:
            changed.append(after)
    await _write(connection, changed, actor)
    return [change.after for change in changed]


async def ask(
    connection: AsyncConnection,
    provider: str,
    day: date,
    now: datetime,
    limit: int,
    *,
    actor: str,
    without: Collection[Kind] = (),
) -> list[tuple[Discrepancy, UUID | None]]:
    """Count an inquiry of ``day`` for each open discrepancy that has none yet, at most ``limit``; returns them with the
    operation to inquire about. The caller publishes the messages, then commits its transaction. ``without``: kinds that
    are left for a later run."""
    values = {"provider": provider, "day": day, "limit": limit, "without": [kind.value for kind in without]}
    asked: list[tuple[Discrepancy, UUID | None]] = []
    changed = []
    for row in (await connection.execute(_TO_ASK, values)).mappings():
        fields = dict(row)
        about = fields.pop("about")
        known = _read(fields)
        after = msgspec.structs.replace(
            known, asked=known.asked + 1, asked_for=day, version=known.version + 1, updated_at=now
        )
        asked.append((after, about))
        changed.append(Change(known, after, Event.ASKED))
    await _write(connection, changed, actor)
    return asked


async def awaits_answers(connection: AsyncConnection, provider: str, day: date) -> bool:
    """Whether a discrepancy is open of which a payment was told for ``day``."""
    return bool((await connection.execute(_AWAITS, {"provider": provider, "day": day})).scalar_one())


async def listed(
    connection: AsyncConnection, filters: Filters, limit: int, after: Place | None = None
) -> list[Discrepancy]:
    """Discrepancies, the most urgent first, at most ``limit`` behind ``after``."""
    place = (None, None, None) if after is None else (after.due_at, after.opened_at, after.id)
    values = msgspec.structs.asdict(filters) | dict(zip(("after_due", "after_opened", "after_id"), place, strict=True))
    values["limit"] = limit
    return [_read(row) for row in (await connection.execute(_LIST, values)).mappings()]


async def open_of(connection: AsyncConnection, payment_id: UUID) -> int:
    """How many discrepancies of a payment are not closed."""
    return int((await connection.execute(_OPEN_OF, {"payment_id": payment_id})).scalar_one())


async def by_kind(connection: AsyncConnection, provider: str, day: date) -> list[tuple[Kind, State, int]]:
    """How many discrepancies a day has, by kind and state."""
    rows = await connection.execute(_BY_KIND, {"provider": provider, "day": day})
    return [(Kind(kind), State(state), number) for kind, state, number in rows]


async def decide(
    connection: AsyncConnection,
    id: UUID,
    event: Event,
    now: datetime,
    *,
    actor: str,
    reason: str,
    seen: int | None = None,
    command: Command | None = None,
    evidence: Mapping[str, Any] = MappingProxyType({}),
    **changes: Any,
) -> Decided:
    """A person's decision, in the caller's transaction. ``seen``: the version that they saw; ``evidence``: kept with the
    event, beside both sides. Raises :class:`Refused`."""
    rows = (await connection.execute(_KNOWN, {"ids": [id]})).mappings().all()
    if not rows:
        raise Missing(f"there is no discrepancy {id}")
    known = _read(rows[0])
    # Before the version: a repeat names the one that it changed.
    if command is not None and await _was_decided(connection, id, command):
        return Decided(known, is_new=False)
    if seen is not None and seen != known.version:
        raise Changed(f"it has changed since: version {known.version}, not {seen}")
    state = step(known.state, event)
    if state is None:
        raise Refused(f"a discrepancy that is {known.state} cannot be {event}")
    after = msgspec.structs.replace(
        known,
        **changes,
        state=state,
        version=known.version + 1,
        updated_at=now,
        closed_at=now if state is State.CLOSED else None,
    )
    more = dict(evidence) | ({} if command is None else {"request": msgspec.to_builtins(command)})
    await _write(connection, [Change(known, after, event, reason)], actor, more)
    return Decided(after, is_new=True)


async def _was_decided(connection: AsyncConnection, id: UUID, command: Command) -> bool:
    row = (await connection.execute(_REQUESTED, {"id": id, "command_id": str(command.id)})).one_or_none()
    if row is None:
        return False
    if row[0] != command.fingerprint:
        raise KeyReused("another decision was asked for under the same key")
    return True


def _after(
    known: Discrepancy | None, id: UUID, provider: str, day: date, finding: Finding, now: datetime
) -> Change | None:
    """What a finding changes; ``None`` where nothing."""
    if finding.kind is None:
        if known is None or (state := step(known.state, Event.AGREED)) is None:
            return None
        closed = msgspec.structs.replace(
            known, state=state, ours=finding.ours, theirs=finding.theirs, version=known.version + 1, updated_at=now,
            closed_at=now,
        )  # fmt: skip
        return Change(known, closed, Event.AGREED)
    handling = HANDLING[finding.kind]
    if known is not None and _is_decided(known, finding, day):
        return None
    event = _event(finding.kind, 0 if known is None or known.kind is not finding.kind else _unanswered(known, day))
    state = step(None if known is None else known.state, event)
    if state is None:
        return None
    fields = {f: getattr(finding, f) for f in ("payment_id", "operation_id", "currency", "ours", "theirs", "detail")}
    same = known is not None and known.state is state and known.kind is finding.kind
    if same and all(getattr(known, name) == value for name, value in fields.items()):
        return None
    due = None if handling.due is None else now + handling.due
    if known is None:
        fresh = Discrepancy(
            id=id, provider=provider, subject=finding.subject, kind=finding.kind, severity=handling.severity,
            state=state, business_date=day, due_at=due, version=1, opened_at=now, updated_at=now, **fields,
        )  # fmt: skip
        return Change(None, fresh, event)
    goes_on = known.kind is finding.kind and known.state is not State.CLOSED
    changed = msgspec.structs.replace(
        known, **fields, kind=finding.kind, severity=handling.severity, state=state, version=known.version + 1,
        updated_at=now, closed_at=None, due_at=known.due_at if goes_on else due, asked=known.asked if goes_on else 0,
        asked_for=known.asked_for if goes_on else None, resolution=None, confirm_by=None, owner=known.owner if known.state is not State.CLOSED else None,
    )  # fmt: skip
    return Change(known, changed, event)


def _is_decided(known: Discrepancy, finding: Finding, day: date) -> bool:
    """Whether a person decided what was found: for good, as long as both sides stay as they saw them; or until the
    statement comes that has to confirm it."""
    if known.state is State.CLOSED and known.resolution in FINAL_RESOLUTIONS:
        return (known.ours, known.theirs, known.currency) == (finding.ours, finding.theirs, finding.currency)
    return known.state is State.RESOLVED and known.confirm_by is not None and day <= known.confirm_by


def _unanswered(known: Discrepancy, day: date) -> int:
    """On how many business days before ``day`` asking did not help."""
    return known.asked - (known.asked_for == day)


def _event(kind: Kind, asked: int) -> Event:
    if kind is Kind.LATE:
        return Event.WAITS
    return Event.FOUND if asked < HANDLING[kind].asks else Event.NEEDS_PERSON


async def _write(
    connection: AsyncConnection,
    changes: Sequence[Change],
    actor: str,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    if not changes:
        return
    rows = [msgspec.to_builtins(change.after) for change in changes]
    history = [
        {
            "discrepancy_id": d.id, "version": d.version, "at": d.updated_at, "actor": actor, "event": change.event,
            "kind": d.kind, "state": d.state, "reason": change.reason,
            "evidence": {"ours": d.ours, "theirs": d.theirs} | d.detail | dict(more),
        }
        for change in changes for d in [change.after]
    ]  # fmt: skip
    await connection.execute(_SAVE, {"rows": msgspec.json.encode(rows).decode()})
    await connection.execute(_NOTE, {"rows": msgspec.json.encode(history).decode()})
    await events.add(connection, [_event_of(change, actor) for change in changes])


def _event_of(change: Change, actor: str) -> DiscrepancyChanged:
    d, before = change.after, change.before
    return DiscrepancyChanged(
        id=d.id, version=d.version, changed_at=d.updated_at, provider=d.provider, business_date=d.business_date,
        subject=d.subject, kind=d.kind, severity=d.severity, state=d.state, event=change.event, actor=actor,
        opened_at=d.opened_at, previous_kind=None if before is None else before.kind,
        previous_state=None if before is None else before.state, reason=change.reason, payment_id=d.payment_id,
        operation_id=d.operation_id, currency=d.currency, ours=d.ours, theirs=d.theirs, owner=d.owner, due_at=d.due_at,
        asked=d.asked, resolution=d.resolution, confirm_by=d.confirm_by, closed_at=d.closed_at,
    )  # fmt: skip


def _read(row: Mapping[Any, Any]) -> Discrepancy:
    return msgspec.convert(dict(row), Discrepancy)
