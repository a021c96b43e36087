"""What is on record about one payment: its journal, its postings, its published changes, its refusals."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger.postings import Cause, CauseKind
from billing.messages import (
    CapturePayment,
    CreatePayment,
    Message,
    PaymentChanged,
    RefundPayment,
    Refusal,
    RollbackPayment,
    VoidPayment,
    decode_envelope,
)
from billing.messages.subscription_events import SubscriptionChanged
from billing.messages.topics import INBOX, SUBSCRIPTIONS
from storage.journal.replay import Recorded

C = TypeVar("C", bound=Message)

#: Commands of clients that make an operation under an id of their own.
COMMANDS: Final = (CapturePayment, VoidPayment, RefundPayment, RollbackPayment)

#: More than there can be.
_MAX_PARTITION: Final = 2**31 - 1

_JOURNAL = text(
    """
    SELECT recorded_at, stream_partition, stream_offset, message::text, rules, actor, outputs::text, refusal::text
    FROM journal WHERE topic = :inbox AND payment_id = :id ORDER BY stream_partition, stream_offset
    """
)
_LATEST = text(
    """
    SELECT recorded_at, stream_partition, stream_offset, message::text, rules, actor, outputs::text, refusal::text
    FROM journal WHERE topic = :inbox AND payment_id = :id AND (stream_partition, stream_offset) < (:partition, :offset)
    ORDER BY stream_partition DESC, stream_offset DESC LIMIT :limit
    """
)
_REFUSAL = text(
    """
    SELECT refusal::text FROM journal
    WHERE topic = 'billing.payments.inbox' AND payment_id = :payment_id
      AND CASE WHEN CAST(:operation_id AS text) IS NULL
          THEN type = :create AND message #>> '{data,client_id}' = :client_id
          ELSE message #>> '{data,operation_id}' = :operation_id AND type = ANY(:commands) END
    ORDER BY stream_partition DESC, stream_offset DESC LIMIT 1
    """
).bindparams(
    bindparam("commands", [command.TYPE for command in COMMANDS], type_=ARRAY(Text)),
    bindparam("create", CreatePayment.TYPE),
    bindparam("operation_id", type_=Text),
)
_ENTRIES = text(
    """
    SELECT posting_id, coalesce(cause_kind, 'operation'), coalesce(cause_id, operation_id::text), posted_at, currency,
           account, amount
    FROM ledger_entries WHERE payment_id = :id AND source = 'payment' ORDER BY posted_at, posting_id, line
    """
)


_CHANGES = text(
    """
    SELECT outputs::text FROM journal
    WHERE topic = :inbox AND payment_id = :id AND version > :after
    ORDER BY version, stream_offset LIMIT :limit
    """
)


class Decided(Recorded, frozen=True):
    """A message in the journal with who sent it and what followed. ``outputs``: an encoded list of messages; ``refusal``:
    why the command was not carried out."""

    actor: str | None
    outputs: str
    refusal: Refusal | None


class _Output(msgspec.Struct):
    value: msgspec.Raw


class Posted(msgspec.Struct, frozen=True):
    """A posting in the ledger. ``lines``: account and amount in minor units, debit positive."""

    id: UUID
    cause: Cause
    posted_at: datetime
    currency: str
    lines: list[tuple[str, int]]


async def journal_of(connection: AsyncConnection, id: UUID, inbox: str = INBOX.name) -> list[Decided]:
    """The journal of a payment, or of another inbox' subject, in the order of the stream."""
    return _decided(await connection.execute(_JOURNAL, {"id": id, "inbox": inbox}))


async def latest_of(
    connection: AsyncConnection, id: UUID, inbox: str, before: tuple[int, int] | None, limit: int
) -> list[Decided]:
    """The last entries of such a journal, at most ``limit``, in the order of the stream: before ``before``, a partition and
    an offset, where it is given."""
    partition, offset = before or (_MAX_PARTITION, 0)
    values = {"id": id, "inbox": inbox, "partition": partition, "offset": offset, "limit": limit}
    return _decided(await connection.execute(_LATEST, values))[::-1]


async def find_refusal(
    connection: AsyncConnection, client_id: str, payment_id: UUID, operation_id: UUID | None
) -> Refusal | None:
    """Why the command that was to make this operation, or with ``None`` the client's payment, was refused; ``None``
    where no such command came, or it was not refused. The last of several commands counts: what was refused may be
    accepted later."""
    values = {
        "client_id": client_id,
        "payment_id": payment_id,
        "operation_id": None if operation_id is None else str(operation_id),
    }
    return _refusal((await connection.execute(_REFUSAL, values)).scalar())


def published_state(journal: Sequence[Decided]) -> PaymentChanged | None:
    """The payment as it was published last: by whatever rules it was decided."""
    for decided in reversed(journal):
        for output in reversed(msgspec.json.decode(decided.outputs, type=list[_Output])):
            envelope = decode_envelope(bytes(output.value))
            if envelope.type == PaymentChanged.TYPE:
                changed = envelope.open()
                assert isinstance(changed, PaymentChanged)
                return changed
    return None


def _decided(rows: Iterable[Any]) -> list[Decided]:
    return [
        Decided(recorded_at, partition, offset, message, rules, actor, outputs, _refusal(refusal))
        for recorded_at, partition, offset, message, rules, actor, outputs, refusal in rows
    ]


def _refusal(encoded: str | None) -> Refusal | None:
    return None if encoded is None else msgspec.json.decode(encoded, type=Refusal)


async def postings_of(connection: AsyncConnection, payment_id: UUID) -> list[Posted]:
    """The payment's postings, oldest first."""
    postings: dict[UUID, Posted] = {}
    for id, kind, cause_id, posted_at, currency, account, amount in await connection.execute(
        _ENTRIES, {"id": payment_id}
    ):
        posted = Posted(id, Cause(CauseKind(kind), cause_id), posted_at, currency, [])
        postings.setdefault(id, posted).lines.append((account, amount))
    return list(postings.values())


async def changes_after(
    connection: AsyncConnection, payment_id: UUID, version: int, limit: int
) -> list[PaymentChanged]:
    """The next published changes of a payment after ``version``, at most ``limit``, in order."""
    found = await _published_after(connection, PaymentChanged, INBOX.name, payment_id, version, limit)
    return [change for change in found if change.version > version]


async def subscription_changes_after(
    connection: AsyncConnection, subscription_id: UUID, version: int, limit: int
) -> list[SubscriptionChanged]:
    """The same of a subscription."""
    found = await _published_after(connection, SubscriptionChanged, SUBSCRIPTIONS.name, subscription_id, version, limit)
    return [change for change in found if change.version > version]


async def _published_after(
    connection: AsyncConnection, kind: type[C], inbox: str, id: UUID, version: int, limit: int
) -> list[C]:
    values = {"inbox": inbox, "id": id, "after": version, "limit": limit}
    rows = await connection.execute(_CHANGES, values)
    outputs = [output for row in rows for output in msgspec.json.decode(row[0], type=list[_Output])]
    messages = [decode_envelope(bytes(output.value)).open() for output in outputs]
    return [message for message in messages if isinstance(message, kind)]
