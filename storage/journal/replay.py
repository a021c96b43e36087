"""Rebuilds payments and subscriptions from their journal: replays it through ``decide`` and compares the result with what is
stored."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.errors import BillingError
from billing.messages import Message, decode_envelope
from billing.messages.topics import INBOX, SUBSCRIPTIONS
from billing.payments import decide as payments
from billing.payments.model import Payment
from billing.subscriptions import decide as subscriptions
from billing.subscriptions.model import Subscription
from storage.payments.rows import load_payments
from storage.subscriptions.rows import load_subscriptions

State = TypeVar("State", bound=msgspec.Struct)

#: Held in memory at once, with their journals.
BATCH: Final = 200

# One that lost its row is still in the journal; one that lost its journal still has its row.
_NEXT_IDS: Final = """
    (SELECT id FROM {table} WHERE id > :after ORDER BY id LIMIT :limit)
    UNION
    (SELECT DISTINCT payment_id FROM journal
     WHERE topic = :topic AND payment_id > :after AND version IS NOT NULL
     ORDER BY payment_id LIMIT :limit)
    ORDER BY id LIMIT :limit
"""
_JOURNALS = text(
    """
    SELECT payment_id, recorded_at, stream_partition, stream_offset, message::text, rules
    FROM journal WHERE topic = :topic AND payment_id = ANY(:ids)
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


class Replayed(msgspec.Struct, Generic[State], frozen=True):
    """What is replayed. ``noun``: what it is called; ``rules``: the version of ``decide``; ``parts``: the field with those
    of its parts that are compared by their ids."""

    noun: str
    table: str
    topic: str
    rules: int
    decide: Callable[[State | None, Message, datetime], State | None]
    load: Callable[[AsyncConnection, Iterable[UUID]], Awaitable[Mapping[UUID, State]]]
    parts: str | None = None


REPLAYED_PAYMENTS: Final = Replayed[Payment](
    "payment",
    "payments",
    INBOX.name,
    payments.RULES,
    lambda state, message, now: payments.decide(state, message, now).payment,
    load_payments,
    "operations",
)
REPLAYED_SUBSCRIPTIONS: Final = Replayed[Subscription](
    "subscription",
    "subscriptions",
    SUBSCRIPTIONS.name,
    subscriptions.RULES,
    lambda state, message, now: subscriptions.decide(state, message, now).subscription,
    load_subscriptions,
)


def rebuilt(what: Replayed[State], journal: Iterable[Recorded]) -> State | None:
    """What the journal of one payment or subscription leads to: each message in the order of the stream, at its own moment.

    Raises :class:`Unreplayable` and :class:`OtherRules`.
    """
    state = None
    for recorded in journal:
        if recorded.rules != what.rules:
            raise OtherRules(f"decided by rules of another release at {recorded.partition}/{recorded.offset}")
        try:
            message = decode_envelope(recorded.message.encode()).open()
            state = what.decide(state, message, recorded.recorded_at)
        except BillingError as error:
            raise Unreplayable(recorded, error) from error
    return state


def differences(what: Replayed[State], stored: State | None, journal: Sequence[Recorded]) -> list[Difference] | None:
    """The fields in which the stored state differs from the rebuilt one. ``None`` where another release's rules decided:
    there is nothing to compare."""
    try:
        other = rebuilt(what, journal)
    except OtherRules:
        return None
    except Unreplayable as error:
        return [Difference("journal", None, str(error))]
    if stored is None or other is None:
        return [] if stored is other else [Difference(what.noun, stored and "present", other and "present")]
    if what.parts is None:
        return list(_compare("", stored, other))
    left, right = ({part.id: part for part in getattr(state, what.parts)} for state in (stored, other))
    whole = (msgspec.structs.replace(state, **{what.parts: ()}) for state in (stored, other))
    found = list(_compare("", *whole))
    for id in sorted(left.keys() | right.keys()):
        found += _compare(f"{what.parts}[{id}]", left.get(id), right.get(id))
    return found


async def count_stored(connection: AsyncConnection, what: Replayed[State]) -> int:
    """How many are stored."""
    return int((await connection.execute(text(f"SELECT count(*) FROM {what.table}"))).scalar_one())  # noqa: S608


async def check_stored(
    engine: AsyncEngine, what: Replayed[State], *, limit: int | None = None, batch: int = BATCH
) -> AsyncIterator[list[tuple[UUID, list[Difference] | None]]]:
    """Every one, or the first ``limit`` by id, with its :func:`differences`, ``batch`` at a time.

    Each batch is read on one snapshot, so they may change meanwhile.
    """
    next_ids = text(_NEXT_IDS.format(table=what.table))
    after, left = UUID(int=0), limit
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        while left is None or left > 0:
            wanted = batch if left is None else min(batch, left)
            rows = await connection.execute(next_ids, {"topic": what.topic, "after": after, "limit": wanted})
            ids = [row[0] for row in rows]
            if not ids:
                return
            stored = await what.load(connection, ids)
            journals = await _journals(connection, what.topic, ids)
            await connection.rollback()  # the next batch gets a new snapshot
            yield [(id, differences(what, stored.get(id), journals.get(id, []))) for id in ids]
            after, left = ids[-1], None if left is None else left - len(ids)


async def _journals(connection: AsyncConnection, topic: str, ids: Sequence[UUID]) -> dict[UUID, list[Recorded]]:
    journals: dict[UUID, list[Recorded]] = {}
    for id, *columns in await connection.execute(_JOURNALS, {"topic": topic, "ids": list(ids)}):
        journals.setdefault(id, []).append(Recorded(*columns))
    return journals


def _compare(path: str, stored: object, other: object) -> Iterator[Difference]:
    if isinstance(stored, msgspec.Struct) and type(stored) is type(other):
        for name in stored.__struct_fields__:
            yield from _compare(f"{path}.{name}" if path else name, getattr(stored, name), getattr(other, name))
    elif stored != other:
        yield Difference(path, msgspec.to_builtins(stored), msgspec.to_builtins(other))
