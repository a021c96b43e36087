"""Refunds in bulk: makes the dry run of files that were uploaded, sends the rows of jobs that run, looks how they ended.

It keeps no state: which row is next is asked of Postgres. A row is on record as sent before it goes out, while its job is
held, so that nobody stops the job in between and has it refunded by another. Where the process dies before Kafka has it,
the row is sent again, also of a job that was stopped since: its operation's id is on record, so it is the same command.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.messages import AmendPayment, Approval
from billing.messages.topics import INBOX
from billing.reasons import Reason
from billing.vocabulary import OperationStatus
from reconciliation.bulk.judge import judge, refund_of
from runtime.clock import utc_now
from runtime.kafka.publisher import OutboundMessage, outbound
from storage import approvals
from storage.bulk import jobs, rows
from storage.bulk.jobs import Job, State
from storage.bulk.rows import DEAD_LETTER, Row, RowState, Told, Verdict
from storage.payments.rows import load_payments
from storage.processes.leases import is_understood
from storage.processes.locks import Lock, held

log = structlog.get_logger(__name__)

SOURCE: Final = "/reconciliation/bulk"
#: Between two looks, seconds.
EVERY_S: Final = 1.0
#: Rows of a job that one look judges.
JUDGED: Final = 1_000
#: Sent rows, and as many with a dead letter, that one look asks about.
ASKED: Final = 500
#: Sent rows that payments have not decided on: no more are sent before, for what is in Kafka cannot be paused.
UNDECIDED: Final = 200
#: Who changes a job that is through.
ITSELF: Final = "scheduler"


class Sends(Protocol):
    """:class:`~runtime.kafka.publisher.Publisher`, or the like."""

    async def publish(self, outputs: Sequence[OutboundMessage], /) -> None:
        """Return once the broker has all of them."""


class BulkRefunds:
    """The job of one process. ``per_s``: rows that are sent in a second, of all jobs together."""

    def __init__(
        self, engine: AsyncEngine, publisher: Sends, per_s: int, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._per_look = max(1, round(per_s * EVERY_S))
        self._clock = clock

    async def look(self) -> None:
        """Do what is due, one process at a time."""
        async with held(self._engine, Lock.BULK_REFUNDS) as got:
            if got:
                await self._check()
                await self._follow()
                await self._send_taken()
                await self._send()

    async def _check(self) -> None:
        """Go on with the dry runs."""
        async with self._engine.connect() as connection:
            found = await jobs.in_state(connection, State.CHECKING)
        for job in found:
            async with self._engine.begin() as connection:
                held_job = await jobs.hold(connection, job.id)  # who stops it waits for the page
                if held_job is not None and held_job.state is State.CHECKING:
                    await self._check_page(connection, held_job)

    async def _check_page(self, connection: AsyncConnection, job: Job) -> None:
        unchecked = await rows.page(connection, job.id, 0, JUDGED, RowState.UNCHECKED)
        if not unchecked:
            await jobs.change(connection, job, State.READY, ITSELF)
            return
        ids = [row.payment_id for row in unchecked if row.payment_id is not None]
        payments = await load_payments(connection, ids)
        elsewhere = await rows.elsewhere(connection, job.id, ids)
        now = self._clock()
        verdicts = [
            judge(row, payments.get(id), elsewhere.get(id), job.created_by, now)
            for row in unchecked
            if (id := row.payment_id) is not None
        ]
        await rows.judge(connection, job.id, verdicts)

    async def _follow(self) -> None:
        """Look how sent rows ended; a job without open rows is finished."""
        async with self._engine.begin() as connection:
            ended: dict[UUID, list[Verdict]] = defaultdict(list)
            for told in await rows.told(connection, ASKED):
                ended[told.row.job].append(_ended(told))
            for job_id, verdicts in ended.items():
                await rows.end(connection, job_id, verdicts)
        async with self._engine.begin() as connection:
            for job in await jobs.in_state(connection, State.RUNNING):
                if not await rows.is_open(connection, job.id):
                    await jobs.change(connection, job, State.FINISHED, ITSELF)
                    log.info("bulk refunds are finished", job=str(job.id))

    async def _send(self) -> None:
        """Send the next rows of the jobs that run, what was started first at the top."""
        async with self._engine.connect() as connection:
            running = await jobs.in_state(connection, State.RUNNING)
            if not running:
                return
            # All conditions of commands came with this type: a worker that knows it sees them.
            if not await is_understood(connection, AmendPayment.TYPE):
                log.warning("bulk refunds wait: no worker runs, or one of a release that does not see their conditions")
                return
            room = min(self._per_look, UNDECIDED - await rows.undecided(connection))
        for job in running:
            if room <= 0:
                return
            room -= await self._send_page(job.id, room)

    async def _send_page(self, id: UUID, room: int) -> int:
        async with self._engine.begin() as connection:
            job = await jobs.hold(connection, id)  # who pauses or stops it waits until its rows are taken
            if job is None or job.state is not State.RUNNING:
                return 0
            approval = await _approval(connection, job)
            if approval is None:
                log.error("bulk refunds run without an approval: nothing is sent", job=str(job.id))
                return 0
            page = await rows.take(connection, job.id, room)
        if page:
            await self._publish(job, approval, page)
        return len(page)

    async def _send_taken(self) -> None:
        """Send what was taken and may not have reached Kafka."""
        async with self._engine.connect() as connection:
            found: dict[UUID, list[Row]] = defaultdict(list)
            for row in await rows.taken(connection, UNDECIDED):
                found[row.job].append(row)
            pages = []
            for id, page in found.items():
                job = await jobs.find(connection, id)
                assert job is not None, "a row has a job"
                approval = await _approval(connection, job)
                assert approval is not None, "rows are taken of approved jobs only, and an approval stays"
                pages.append((job, approval, page))
        for job, approval, page in pages:
            await self._publish(job, approval, page)

    async def _publish(self, job: Job, approval: Approval, page: Sequence[Row]) -> None:
        now = self._clock()
        await self._publisher.publish([_message(row, job, approval, now) for row in page])
        async with self._engine.begin() as connection:
            await rows.mark_sent(connection, job.id, [row.number for row in page])


async def _approval(connection: AsyncConnection, job: Job) -> Approval | None:
    """The second person's consent to the job."""
    found = None if job.approval is None else await approvals.find(connection, job.approval)
    if found is None or found.bulk_job != job.id or found.decision != approvals.APPROVED:
        return None
    assert found.decided_by is not None
    assert found.decided_at is not None
    return Approval(found.id, found.decided_by, found.decided_at)


def _message(row: Row, job: Job, approval: Approval, now: datetime) -> OutboundMessage:
    assert row.amount is not None
    assert row.payment_version is not None
    command = refund_of(row, row.amount, row.payment_version, job.created_by, approval)
    actor = f"operator:{job.created_by}"
    return outbound(INBOX, command, id=str(row.operation_id), source=SOURCE, time=now, actor=actor)


def _ended(told: Told) -> Verdict:
    number = told.row.number
    if told.status is None and told.refusal is not None:
        return Verdict(number=number, state=RowState.REFUSED, code=told.refusal.code, detail=told.refusal.detail)
    if told.status is None and told.letter is not None and not told.letter.replayed:
        place, cause, _ = told.letter
        return Verdict(number=number, state=RowState.FAILED, code=DEAD_LETTER, detail=cause, letter=place)
    if told.status == OperationStatus.SUCCESS:
        return Verdict(number=number, state=RowState.DONE)
    if told.status == OperationStatus.FAIL:
        reason = Reason.of(told.reason or "")
        return Verdict(number=number, state=RowState.FAILED, code=reason.value, detail=told.reason)
    return Verdict(number=number, state=RowState.SENT, code=told.status)
