"""The pages of bulk refunds: the files, one file, and what people do with it. The scheduler makes the dry run and sends the
rows (`reconciliation/bulk`)."""

import hashlib
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid4

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.bulk import file, words
from admin.bulk.result import result_csv
from admin.language import N_, gettext
from admin.pages import Form, PageRoute, page, read_form, see_other
from admin.pages.multipart import File
from admin.pages.route import UploadRoute
from admin.payments.actions import InvalidForm, checked_reason
from admin.payments.limits import EXPIRES_AFTER
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from admin.trail.trail import record
from runtime.clock import utc_now
from runtime.http.problems import ProblemError
from runtime.logging.card_numbers import without_card_numbers
from storage import approvals
from storage.approvals import APPROVED, BULK, REFUSED, Approval
from storage.bulk import jobs, rows
from storage.bulk.jobs import Job, State
from storage.bulk.rows import RowState
from storage.staff.trail import Kind

HOME: Final = "/bulk"
#: Jobs and rows of a page.
JOBS: Final = 20
ROWS: Final = 50
#: Rows that are read at once for the result.
_CHUNK: Final = 5_000
#: Characters of a file's name that are kept.
_NAME_MAX: Final = 120
_CAUSE: Final = "bulk refunds are always made by two people"
_CHANGED: Final = N_("Nothing was done: the job has changed since you looked. This is how it is now.")

Member = Annotated[Person, require(Permission.BULK)]
Approver = Annotated[Person, require(Permission.APPROVE, fresh=True)]
Decider = Annotated[Person, require(Permission.APPROVE)]


class Refused(Exception):
    """Nothing was done. The message says why, in the reader's language."""


def bulk_pages(engine: AsyncEngine) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = BulkPages(engine)
    router.add_api_route(HOME, pages.list, methods=["GET"])
    router.add_api_route(HOME, pages.upload, methods=["POST"], route_class_override=UploadRoute)
    router.add_api_route(f"{HOME}/{{id}}", pages.show, methods=["GET"])
    router.add_api_route(f"{HOME}/{{id}}/result.csv", pages.download, methods=["GET"])
    steps = (pages.check, pages.ask, pages.approve, pages.refuse, pages.start, pages.pause, pages.resume, pages.stop)
    for step in steps:
        router.add_api_route(f"{HOME}/{{id}}/{step.__name__}", step, methods=["POST"])
    return router


class BulkPages:
    """Handlers of the pages."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list(self, request: Request, _person: Member, after: Annotated[UUID | None, Query()] = None) -> Response:
        return await self._list(request, after=after)

    async def upload(self, request: Request, person: Member) -> Response:
        """Keep the file as a job; the dry run begins by itself. A double click is one job, by the form's key."""
        form = await read_form(request)
        fields = {"reason": form.one("reason"), "key": form.one("key")}
        try:
            reason = checked_reason(form.one("reason"))
            sent = _file(form)
            id = UUID(form.one("key"))
            read = await to_thread.run_sync(file.read_rows, id, sent.content, reason)
        except (InvalidForm, file.InvalidFile) as error:
            return await self._list(request, 422, wrong=str(error), fields=fields)
        except ValueError as error:
            raise ProblemError(Problem.BAD_REQUEST) from error
        name = "".join(c for c in without_card_numbers(sent.name) if c.isprintable())[:_NAME_MAX] or "?"
        now = utc_now()
        job = Job(
            id=id, file_name=name, file_hash=hashlib.sha256(sent.content).digest(), reason=reason, rows=len(read),
            state=State.CHECKING, version=1, created_by=person.email, created_at=now, changed_by=person.email,
            changed_at=now,
        )  # fmt: skip
        async with self._engine.begin() as connection:
            if await jobs.add(connection, job):
                await rows.add(connection, read)
                await _record(connection, person, job, "upload", reason, file=job.file_hash.hex(), rows=job.rows)
                return see_other(f"{HOME}/{id}")
            earlier = await jobs.find(connection, id) or await jobs.of_file(connection, job.file_hash)
        if earlier is not None and earlier.id == id and earlier.file_hash == job.file_hash:
            return see_other(f"{HOME}/{id}")
        return await self._list(request, 409, earlier=earlier, fields=fields)

    async def show(
        self,
        request: Request,
        person: Member,
        id: UUID,
        after: Annotated[int, Query(ge=0, le=10**9)] = 0,
        state: RowState | None = None,
    ) -> Response:
        """The job, and a page of its rows."""
        return await self._show(request, person, id, after=after, state=state)

    async def download(self, request: Request, person: Member, id: UUID) -> Response:
        """Every row and how it ended. Who took it is on the trail."""
        found = []
        async with self._engine.connect() as connection:
            await _find(connection, id)
            after = 0
            while part := await rows.page(connection, id, after, _CHUNK):
                found += part
                after = part[-1].number
        await trail_of(request).note(person, Kind.EXPORT, "bulk_job", id, rows=len(found))
        headers = {"Content-Disposition": f'attachment; filename="bulk-refunds-{id}.csv"'}
        return Response(await to_thread.run_sync(result_csv, found), media_type="text/csv", headers=headers)

    async def check(self, request: Request, person: Member, id: UUID) -> Response:
        """Make the dry run again: what was asked for or approved before is not any more."""

        async def again(connection: AsyncConnection, job: Job, _reason: str | None) -> dict[str, Any]:
            await _change(connection, job, State.CHECKING, person)
            await rows.uncheck(connection, job.id, file.CODES)
            return {}

        return await self._step(request, person, id, "check", again)

    async def ask(self, request: Request, person: Member, id: UUID) -> Response:
        """Ask for the approval of what the dry run found."""

        async def asked(connection: AsyncConnection, job: Job, _reason: str | None) -> dict[str, Any]:
            approval = await _approval(connection, job)
            if person.email != job.created_by:
                raise Refused(gettext("Who uploaded the file asks for its approval."))
            if words.approval_state(approval, utc_now()) in ("waiting", "approved"):
                raise Refused(gettext(_CHANGED))
            amounts = await _to_refund(connection, job)
            if not amounts:
                raise Refused(gettext("No row would be refunded."))
            request = _request(job, amounts)
            if not await jobs.take(connection, job, request.id, person.email):
                raise Refused(gettext(_CHANGED))
            await approvals.ask(connection, request)
            return {"approval": str(request.id), "amounts": amounts}

        return await self._step(request, person, id, "ask", asked)

    async def approve(self, request: Request, person: Approver, id: UUID) -> Response:
        """Approve somebody else's job, as the dry run has it."""
        return await self._decide(request, person, id, "approve", APPROVED)

    async def refuse(self, request: Request, person: Decider, id: UUID) -> Response:
        """Refuse a job; one's own request is withdrawn so."""
        return await self._decide(request, person, id, "refuse", REFUSED)

    async def start(self, request: Request, person: Member, id: UUID) -> Response:
        """Have the rows sent. Only a job that a second person has approved starts."""

        async def started(connection: AsyncConnection, job: Job, _reason: str | None) -> dict[str, Any]:
            if words.approval_state(await _approval(connection, job), utc_now()) != "approved":
                raise Refused(gettext("A second person has to approve it first."))
            await _change(connection, job, State.RUNNING, person, State.READY)
            return {"approval": str(job.approval)}

        return await self._step(request, person, id, "start", started)

    async def pause(self, request: Request, person: Member, id: UUID) -> Response:
        """Send no more rows for now."""
        return await self._move(request, person, id, "pause", State.PAUSED)

    async def resume(self, request: Request, person: Member, id: UUID) -> Response:
        """Go on where it was."""
        return await self._move(request, person, id, "resume", State.RUNNING, State.PAUSED)

    async def stop(self, request: Request, person: Member, id: UUID) -> Response:
        """Give the job up: rows that are sent stay as they are."""
        return await self._move(request, person, id, "stop", State.STOPPED)

    async def _move(
        self, request: Request, person: Person, id: UUID, name: str, state: State, *before: State
    ) -> Response:
        async def moved(connection: AsyncConnection, job: Job, _reason: str | None) -> dict[str, Any]:
            await _change(connection, job, state, person, *before)
            return {}

        return await self._step(request, person, id, name, moved)

    async def _decide(self, request: Request, person: Person, id: UUID, name: str, decision: str) -> Response:
        async def decided(connection: AsyncConnection, job: Job, reason: str | None) -> dict[str, Any]:
            approval = await _approval(connection, job)
            if decision == APPROVED and approval is not None and approval.requested_by == person.email:
                await trail_of(request).note(person, Kind.REFUSED, "bulk_job", id, why="one's own")
                raise ProblemError(Problem.APPROVAL_IMPOSSIBLE, gettext("Nobody approves their own request."))
            now = utc_now()
            if approval is None or not await approvals.decide(
                connection, approval.id, decision, person.email, reason or "", now
            ):
                raise Refused(gettext("It is decided already, or its time is over."))
            if decision == APPROVED:
                await approvals.mark_sent(connection, approval.id, now)  # the job is on record: it has no way to go
            if not await jobs.take(connection, job, approval.id, person.email):
                raise Refused(gettext(_CHANGED))
            return {"approval": str(approval.id), "requested_by": approval.requested_by}

        return await self._step(request, person, id, name, decided, with_reason=decision == REFUSED)

    async def _step(
        self, request: Request, person: Person, id: UUID, name: str, do: Any, *, with_reason: bool = False
    ) -> Response:
        """Do something with the job as the person saw it, and put it on the trail: both, or neither."""
        form = await read_form(request)
        try:
            reason = checked_reason(form.one("reason")) if with_reason else None
            async with self._engine.begin() as connection:
                job = await _find(connection, id)
                _require_seen(form, job)
                detail = await do(connection, job, reason)
                await _record(connection, person, job, name, reason, version=job.version, **detail)
        except InvalidForm as error:
            return await self._show(request, person, id, 422, wrong=str(error))
        except Refused as error:
            return await self._show(request, person, id, 409, wrong=str(error))
        return see_other(f"{HOME}/{id}")

    async def _list(self, request: Request, status: int = 200, *, after: UUID | None = None, **values: Any) -> Response:
        async with self._engine.connect() as connection:
            found = await jobs.page(connection, after, JOBS + 1)
            shown = [(job, await _approval(connection, job)) for job in found[:JOBS]]
        now = utc_now()
        return page(
            request,
            "bulk/list.html",
            status,
            jobs=[(job, words.state_of(job, approval, now)) for job, approval in shown],
            following=f"{HOME}?{urlencode({'after': found[JOBS - 1].id})}" if len(found) > JOBS else None,
            is_first=after is None,
            rows_max=file.ROWS_MAX,
            **{"wrong": None, "earlier": None, "fields": {"reason": "", "key": uuid4()}, **values},
        )

    async def _show(
        self,
        request: Request,
        person: Person,
        id: UUID,
        status: int = 200,
        *,
        wrong: str | None = None,
        after: int = 0,
        state: RowState | None = None,
    ) -> Response:
        now = utc_now()
        async with self._engine.connect() as connection:
            job = await _find(connection, id)
            approval = await _approval(connection, job)
            tallies = await rows.tallies(connection, id)
            lately = await rows.sent_lately(connection, id) if job.state is State.RUNNING else 0
            is_ready = job.state is State.READY
            changed = await rows.changed(connection, id) if is_ready else 0
            before = await rows.refunded_before(connection, id) if is_ready else 0
            found = await rows.page(connection, id, after, ROWS + 1, state)
        sums = words.sums(tallies)
        following = {"after": found[ROWS - 1].number} if len(found) > ROWS else None
        filtered = {} if state is None else {"state": state.value}
        return page(
            request,
            "bulk/job.html",
            status,
            job=job,
            state=words.state_of(job, approval, now),
            approval=approval,
            asked=words.approval_state(approval, now),
            sums=sums,
            currencies=sorted({currency for one in sums.values() for currency in one.amounts}),
            causes=words.causes(tallies),
            progress=words.progress(tallies, lately),
            changed=changed,
            refunded_before=before,
            rows=[(row, words.why(row)) for row in found[:ROWS]],
            chosen=state,
            row_states=words.ROW_STATES,
            is_first=after == 0,
            first=f"{HOME}/{id}" + (f"?{urlencode(filtered)}" if filtered else ""),
            following=None if following is None else f"{HOME}/{id}?{urlencode({**filtered, **following})}",
            is_own=approval is not None and approval.requested_by == person.email,
            is_creator=job.created_by == person.email,
            may_decide=person.may(Permission.APPROVE),
            may_see_letters=person.may(Permission.LETTERS),
            wrong=wrong,
        )


def _file(form: Form) -> File:
    if form.file is None:
        raise InvalidForm(gettext("Choose a file."))
    return form.file


def _require_seen(form: Form, job: Job) -> None:
    if form.one("version") != str(job.version):
        raise Refused(gettext(_CHANGED))


async def _find(connection: AsyncConnection, id: UUID) -> Job:
    """The job. Raises :class:`ProblemError` 404."""
    job = await jobs.find(connection, id)
    if job is None:
        raise ProblemError(Problem.NO_BULK_JOB)
    return job


async def _approval(connection: AsyncConnection, job: Job) -> Approval | None:
    return None if job.approval is None else await approvals.find(connection, job.approval)


async def _change(connection: AsyncConnection, job: Job, state: State, person: Person, *before: State) -> None:
    if not await jobs.change(connection, job, state, person.email, before or None):
        raise Refused(gettext(_CHANGED))


async def _to_refund(connection: AsyncConnection, job: Job) -> dict[str, int]:
    """What the dry run would refund, minor units by currency."""
    found = words.sums(await rows.tallies(connection, job.id)).get(RowState.WAITING)
    return {} if found is None else dict(found.amounts)


def _request(job: Job, amounts: dict[str, int]) -> approvals.Request:
    now = utc_now()
    only = next(iter(amounts.items())) if len(amounts) == 1 else (None, None)
    return approvals.Request(
        id=uuid4(), action=BULK, payment_id=None, payment_version=None, type="bulk-refunds",
        command=msgspec.json.encode({"bulk_job": job.id, "version": job.version, "file": job.file_hash.hex()}),
        preview=msgspec.json.encode(amounts), amount=only[1], currency=only[0], cause=_CAUSE,
        requested_by=job.created_by, reason=job.reason, requested_at=now, expires_at=now + EXPIRES_AFTER,
        bulk_job=job.id,
    )  # fmt: skip


async def _record(
    connection: AsyncConnection, person: Person, job: Job, action: str, reason: str | None, **detail: Any
) -> None:
    await record(connection, person, Kind.BULK, "bulk_job", job.id, reason=reason, action=action, **detail)
