"""All that is on record about one payment."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger.postings import Cause, CauseKind
from storage.journal.replay import Recorded

_JOURNAL = text(
    """
    SELECT recorded_at, stream_partition, stream_offset, message::text, actor, outputs::text
    FROM journal WHERE payment_id = :id ORDER BY stream_partition, stream_offset
    """
)
_ENTRIES = text(
    """
    SELECT posting_id, coalesce(cause_kind, 'operation'), coalesce(cause_id, operation_id::text), posted_at, currency,
           account, amount
    FROM ledger_entries WHERE payment_id = :id ORDER BY posted_at, posting_id, line
    """
)


class Decided(Recorded, frozen=True):
    """A message in the journal with who sent it and what followed. ``outputs``: an encoded list of messages."""

    actor: str | None
    outputs: str


class Posted(msgspec.Struct, frozen=True):
    """A posting in the ledger. ``lines``: account and amount in minor units, debit positive."""

    id: UUID
    cause: Cause
    posted_at: datetime
    currency: str
    lines: list[tuple[str, int]]


async def journal_of(connection: AsyncConnection, payment_id: UUID) -> list[Decided]:
    """The payment's journal in the order of the stream."""
    return [Decided(*row) for row in await connection.execute(_JOURNAL, {"id": payment_id})]


async def postings_of(connection: AsyncConnection, payment_id: UUID) -> list[Posted]:
    """The payment's postings, oldest first."""
    postings: dict[UUID, Posted] = {}
    for id, kind, cause_id, posted_at, currency, account, amount in await connection.execute(
        _ENTRIES, {"id": payment_id}
    ):
        posted = Posted(id, Cause(CauseKind(kind), cause_id), posted_at, currency, [])
        postings.setdefault(id, posted).lines.append((account, amount))
    return list(postings.values())
