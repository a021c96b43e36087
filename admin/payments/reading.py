"""Everything that a payment's page shows, read in one snapshot."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.problems import Problem
from backoffice.timeline import Timeline, timeline_of, trace_of
from billing.messages import AmendPayment, decode_envelope
from billing.payments.model import Payment
from billing.waterfall import Episode, episodes
from runtime.http.problems import ProblemError
from storage import approvals, customer_notes
from storage.approvals import Approval
from storage.clearing.discrepancies import open_of
from storage.journal.timeline import Decided, Posted, journal_of, postings_of
from storage.payments.rows import load_payments
from storage.payments.search import Conditions, Found, scan

#: The customer's other payments that the page lists.
OTHERS: int = 6


class Note(NamedTuple):
    """A note of a person. ``at``: UTC."""

    at: datetime
    operator: str
    text: str


class Story(NamedTuple):
    """``timeline``: up to the moment that is asked for; the rest is as of now. ``discrepancies``: how many are open.
    ``customer_noted``: whether there are notes about the customer."""

    payment: Payment
    timeline: Timeline
    postings: list[Posted]
    notes: list[Note]
    approvals: list[Approval]
    others: list[Found]
    waterfall: list[Episode]
    discrepancies: int
    customer_noted: bool


async def read_payment(engine: AsyncEngine, id: UUID) -> Payment:
    """The payment. Raises :class:`ProblemError` 404."""
    async with engine.connect() as connection:
        payment = (await load_payments(connection, [id])).get(id)
    if payment is None:
        raise ProblemError(Problem.NO_PAYMENT)
    return payment


async def read_story(engine: AsyncEngine, id: UUID, at: datetime | None) -> Story:
    """The payment and all that is on record about it. Raises :class:`ProblemError` 404."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        payment = (await load_payments(connection, [id])).get(id)
        if payment is None:
            raise ProblemError(Problem.NO_PAYMENT)
        journal = await journal_of(connection, id)
        postings = await postings_of(connection, id)
        requests = await approvals.about(connection, id)
        discrepancies = await open_of(connection, id)
        noted = await customer_notes.latest(connection, payment.order.customer_id, 1)
        others = await scan(connection, Conditions(customer_id=payment.order.customer_id), None, OTHERS)
    return Story(
        payment,
        timeline_of(id, journal, postings, at),
        postings,
        _notes(journal),
        requests,
        [found for found in others.payments if found.id != id],
        episodes(trace_of(id, journal).spans),
        discrepancies,
        bool(noted),
    )


def _notes(journal: list[Decided]) -> list[Note]:
    """The notes, the newest first. A double click wrote one."""
    notes: dict[UUID, Note] = {}
    for decided in journal:
        envelope = decode_envelope(decided.message.encode())
        if envelope.type != AmendPayment.TYPE:
            continue
        message = envelope.open()
        assert isinstance(message, AmendPayment)
        if message.note is not None:
            notes.setdefault(message.amendment_id, Note(decided.recorded_at, message.operator, message.note))
    return list(reversed(notes.values()))
