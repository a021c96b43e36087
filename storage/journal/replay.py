"""Rebuilds payments from their journal: replays it through ``decide`` and compares the result with what is stored."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.errors import BillingError
from billing.messages import decode_envelope
from billing.payments.decide import RULES, decide
from billing.payments.decision import Decision
from billing.payments.model import Payment
from storage.payments.rows import load_payments

#: Payments held in memory at once, with their journals.
BATCH: Final = 200

_COUNT = text("SELECT count(*) FROM payments")
# A payment that lost its row is still in the journal; one that lost its journal still has its row.
_NEXT_IDS = text(
    """
    (SELECT id FROM payments WHERE id > :after ORDER BY id LIMIT :limit)
    UNION
    (SELECT DISTINCT payment_id FROM journal
     WHERE topic = 'billing.payments.inbox' AND payment_id > :after AND version IS NOT NULL
     ORDER BY payment_id LIMIT :limit)
    ORDER BY id LIMIT :limit
    """
)
_JOURNALS = text(
    """
    SELECT payment_id, recorded_at, stream_partition, stream_offset, message::text, rules
    FROM journal WHERE topic = 'billing.payments.inbox' AND payment_id = ANY(:ids)
    ORDER BY payment_id, stream_partition, stream_offset
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


class Recorded(msgspec.Struct, frozen=True):
    """A journalled message. ``recorded_at``: when it was decided (UTC); ``message``: its encoded envelope; ``rules``: the
    version of the rules that decided."""

    recorded_at: datetime
    partition: int
    offset: int
    message: str
    rules: int | None


class OtherRules(Exception):
    """The journal was decided by rules that this release does not have: a replay would show what never was."""


class Unreplayable(Exception):
    """A journalled message cannot be decided again, or cannot be read: the code or the journal has changed since."""

    def __init__(self, recorded: Recorded, cause: BillingError) -> None:
        super().__init__(f"{recorded.partition}/{recorded.offset}: {type(cause).__name__}: {cause}")


class Difference(msgspec.Struct, frozen=True):
    """A field whose stored value differs from the rebuilt one."""

    field: str
    stored: Any
    rebuilt: Any


def replay(journal: Iterable[Recorded]) -> Iterator[Decision]:
    """The decision on each message of one payment, in the order of the stream, each at its own moment.

    Raises :class:`Unreplayable` and :class:`OtherRules`.
    """
    payment = None
    for recorded in journal:
        if recorded.rules != RULES:
            raise OtherRules(f"decided by rules of another release at {recorded.partition}/{recorded.offset}")
        try:
            message = decode_envelope(recorded.message.encode()).open()
            decision = decide(payment, message, recorded.recorded_at)
        except BillingError as error:
            raise Unreplayable(recorded, error) from error
        payment = decision.payment
        yield decision


def rebuilt(journal: Iterable[Recorded]) -> Payment | None:
    """The payment that its journal leads to. Raises :class:`Unreplayable` and :class:`OtherRules`."""
    payment = None
    for decision in replay(journal):
        payment = decision.payment
    return payment


def differences(stored: Payment | None, journal: Sequence[Recorded]) -> list[Difference] | None:
    """The fields in which the stored payment differs from the rebuilt one; operations are matched by their ids. ``None``
    where another release's rules decided: there is nothing to compare."""
    try:
        other = rebuilt(journal)
    except OtherRules:
        return None
    except Unreplayable as error:
        return [Difference("journal", None, str(error))]
    if stored is None or other is None:
        return [] if stored is other else [Difference("payment", stored and "present", other and "present")]
    left = {operation.id: operation for operation in stored.operations}
    right = {operation.id: operation for operation in other.operations}
    found = list(_compare("", _without_operations(stored), _without_operations(other)))
    for id in sorted(left.keys() | right.keys()):
        found += _compare(f"operations[{id}]", left.get(id), right.get(id))
    return found


async def count_payments(connection: AsyncConnection) -> int:
    """How many payments are stored."""
    return int((await connection.execute(_COUNT)).scalar_one())


async def check_payments(
    engine: AsyncEngine, *, limit: int | None = None, batch: int = BATCH
) -> AsyncIterator[list[tuple[UUID, list[Difference] | None]]]:
    """Every payment, or the first ``limit`` by id, with its :func:`differences`, ``batch`` at a time.

    Each batch is read on one snapshot, so payments may change meanwhile.
    """
    after, left = UUID(int=0), limit
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        while left is None or left > 0:
            wanted = batch if left is None else min(batch, left)
            rows = await connection.execute(_NEXT_IDS, {"after": after, "limit": wanted})
            ids = [row[0] for row in rows]
            if not ids:
                return
            stored = await load_payments(connection, ids)
            journals = await _journals(connection, ids)
            await connection.rollback()  # the next batch gets a new snapshot
            yield [(id, differences(stored.get(id), journals.get(id, []))) for id in ids]
            after, left = ids[-1], None if left is None else left - len(ids)


async def _journals(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[Recorded]]:
    journals: dict[UUID, list[Recorded]] = {}
    for id, *columns in await connection.execute(_JOURNALS, {"ids": list(ids)}):
        journals.setdefault(id, []).append(Recorded(*columns))
    return journals


def _without_operations(payment: Payment) -> Payment:
    return msgspec.structs.replace(payment, operations=())


def _compare(path: str, stored: object, other: object) -> Iterator[Difference]:
    if isinstance(stored, msgspec.Struct) and type(stored) is type(other):
        for name in stored.__struct_fields__:
            yield from _compare(f"{path}.{name}" if path else name, getattr(stored, name), getattr(other, name))
    elif stored != other:
        yield Difference(path, msgspec.to_builtins(stored), msgspec.to_builtins(other))
