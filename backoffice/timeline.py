"""Everything on record about one payment, in order, and its state at any moment."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from billing.messages import decode_envelope
from billing.trace import Step, Trace, rebuild
from runtime.logging.redaction import redact
from runtime.postgres import connected
from runtime.settings import PostgresSettings
from storage.journal.replay import REPLAYED_PAYMENTS, OtherRules, Unreplayable, rebuilt
from storage.journal.story import TimelineEntry, timeline_entries
from storage.journal.timeline import Decided, Posted, journal_of, postings_of, published_state


class Timeline(msgspec.Struct, frozen=True):
    """``at``: the moment it ends at (UTC), ``None`` for now. ``state``: the payment then, masked; ``None`` if it did
    not exist yet or cannot be rebuilt: ``problem`` says why. Where rules of another release decided, ``state`` is the
    payment as it was published then."""

    payment_id: UUID
    at: datetime | None
    state: Any
    problem: str | None
    entries: list[TimelineEntry]


async def read_timeline(settings: PostgresSettings, payment_id: UUID, at: datetime | None) -> Timeline | None:
    """The timeline up to ``at`` (UTC), or all of it; ``None`` if there is no such payment."""
    async with connected(settings) as engine, engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        journal = await journal_of(connection, payment_id)
        postings = await postings_of(connection, payment_id)
    return timeline_of(payment_id, journal, postings, at) if journal else None


def timeline_of(
    payment_id: UUID, journal: Sequence[Decided], postings: Sequence[Posted], at: datetime | None
) -> Timeline:
    """The timeline of what is on record."""
    if at is not None:
        journal = [decided for decided in journal if decided.recorded_at <= at]
        postings = [posting for posting in postings if posting.posted_at <= at]
    state, problem = None, None
    try:
        state = redact(msgspec.to_builtins(rebuilt(REPLAYED_PAYMENTS, journal)))
    except OtherRules:
        state = redact(msgspec.to_builtins(published_state(journal)))
    except Unreplayable as error:
        problem = str(error)
    return Timeline(payment_id, at, state, problem, timeline_entries(journal, postings))


async def read_trace(settings: PostgresSettings, payment_id: UUID) -> Trace | None:
    """The trace of a payment, rebuilt from its journal; ``None`` if there is no such payment."""
    async with connected(settings) as engine, engine.connect() as connection:
        journal = await journal_of(connection, payment_id)
    return trace_of(payment_id, journal) if journal else None


def trace_of(payment_id: UUID, journal: Sequence[Decided]) -> Trace:
    """The trace of what is on record."""
    steps = []
    for decided in journal:
        envelope = decode_envelope(decided.message.encode())
        steps.append(Step(envelope, envelope.open(), decided.recorded_at))
    return rebuild(payment_id, steps)
