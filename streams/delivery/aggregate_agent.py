"""The delivery of messages to aggregates: batches, transactions, publication, dead letters.

A batch of messages becomes one Postgres transaction (states, journal, stream position); its outputs are published
after the commit, and again after a crash. See docs/guarantees.md, 2 to 5.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Generic
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.errors import BillingError, InvalidMessage, UnknownMessageType
from billing.messages import Envelope, Message, decode_envelope
from runtime.kafka.dead_letters import DeadLetterWriter, cause_of
from runtime.kafka.publisher import OutboundMessage, Publisher
from runtime.kafka.record import Incoming
from runtime.logging.redaction import redact_text
from runtime.postgres import POSTGRES_ERRORS
from runtime.retry import Retry
from storage.journal import records
from storage.journal.records import JournalRow
from storage.streams import dead_letters
from storage.streams.dead_letters import DeadLetter
from storage.streams.parking import park
from storage.streams.positions import LostPartition, Move, advance, load_positions, mark_published
from streams.delivery.aggregate import Aggregate, Change, Decided, State
from streams.delivery.refusals import Poison, apply_all

log = structlog.get_logger(__name__)

#: Aggregates kept in memory between batches. Safe because this process is their only writer: a lost partition or a
#: failed transaction empties it.
CACHE_SIZE: Final = 20_000
#: Dead letters in a row after which the fault is more likely ours than the messages'.
DEAD_LETTER_RUN: Final = 100
#: Rows of the journal read at once when outputs are published again.
REPUBLISH_CHUNK: Final = 500

_encoder = msgspec.json.Encoder()


class AggregateAgent(Generic[State, Change]):
    """The only writer of the aggregates of its partitions. ``exit_process`` ends the process and does not return;
    ``on_committed`` gets the type and the outcome (changed, unchanged, refused) of each message that is committed, and the
    code of its refusal."""

    def __init__(
        self,
        aggregate: Aggregate[State, Change],
        engine: AsyncEngine,
        publisher: Publisher,
        dead_letters: DeadLetterWriter,
        exit_process: Callable[[str], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_committed: Callable[[str, str, str | None], None] = lambda *_: None,
    ) -> None:
        self._aggregate = aggregate
        self._on_committed = on_committed
        self._consumer = aggregate.consumer
        self._topic = aggregate.inbox.name
        self._engine = engine
        # Each statement its own transaction: a batch is read by one and written by one.
        self._statements = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._exit_process = exit_process
        self._now = now
        self._cache: OrderedDict[UUID, State] = OrderedDict()
        self._next: dict[int, int] = {}
        self._published: dict[int, int] = {}
        self._dead_letter_run = 0

    async def restore(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Take over partitions: publish what their last owner committed and did not publish; returns partition → the
        offset to start from."""
        self._cache.clear()
        async with self._engine.begin() as connection:
            positions = await load_positions(connection, self._consumer, self._topic, partitions)
        for partition, position in positions.items():
            await self._republish(partition, position.published_offset, position.next_offset)
        self._next = {partition: position.next_offset for partition, position in positions.items()}
        self._published = dict(self._next)
        return self._next

    async def flush(self) -> None:
        """Record in Postgres that all outputs are published; otherwise the next batch records it."""
        if self._published:
            async with self._engine.begin() as connection:
                await mark_published(connection, self._consumer, self._topic, self._published)

    async def process(self, batch: list[Incoming]) -> None:
        """Apply a batch. A message that can never be applied becomes a dead letter; without Postgres the batch is
        retried until it is back; a lost partition ends the process."""

        async def attempt() -> None:
            # In a retry, an earlier part of the batch may be committed.
            rest = [incoming for incoming in batch if incoming.offset >= self._next[incoming.partition]]
            await apply_all(rest, self._apply, self._set_aside)

        try:
            await Retry("apply batch", POSTGRES_ERRORS).run(attempt, messages=len(batch))
        except LostPartition as error:
            self._exit_process(str(error))

    async def _apply(self, batch: Sequence[Incoming]) -> None:
        try:
            await self._commit(batch)
        except POSTGRES_ERRORS:
            self._cache.clear()
            raise
        self._dead_letter_run = 0

    async def _commit(self, batch: Sequence[Incoming]) -> None:
        opened = [_open(index, incoming) for index, incoming in enumerate(batch)]
        now = self._now()
        work: _Work[State, Change] = _Work(now.isoformat(), self._topic, self._aggregate.rules)
        decide = self._aggregate.decide
        outcomes: list[tuple[str, str, str | None]] = []
        async with self._statements.connect() as connection:
            states = await self._load(connection, [message.subject_id for _, message in opened])
            for index, (incoming, (envelope, message)) in enumerate(zip(batch, opened, strict=True)):
                id = message.subject_id
                try:
                    decided = decide(states.get(id), message, envelope, now)
                except BillingError as error:
                    raise Poison(index, error) from error
                if decided.state is not None:
                    states[id] = decided.state
                work.add(incoming, envelope, id, decided)
                outcomes.append((envelope.type, *_outcome(decided)))
            following = {incoming.partition: incoming.offset + 1 for incoming in batch}
            moves = [self._move(partition, to) for partition, to in following.items()]
            await self._aggregate.save(connection, states, work.changes, work.journal, moves)
        self._next.update(following)
        self._remember(states)
        for type, outcome, refusal in outcomes:
            self._on_committed(type, outcome, refusal)
        await self._publisher.publish(work.outputs)
        self._published.update(following)

    def _move(self, partition: int, to: int) -> Move:
        return Move(self._consumer, self._topic, partition, self._next[partition], to, self._published[partition])

    async def _load(self, connection: AsyncConnection, ids: list[UUID]) -> dict[UUID, State]:
        known = {id: state for id in ids if (state := self._cache.get(id)) is not None}
        missing = [id for id in ids if id not in known]
        if missing:
            known |= await self._aggregate.load(connection, missing)
        return known

    def _remember(self, states: Mapping[UUID, State]) -> None:
        for id, state in states.items():
            self._cache[id] = state
            self._cache.move_to_end(id)
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)

    async def _set_aside(self, message: Incoming, cause: Exception) -> None:
        """Park a message of an unknown type, write any other to the dead letters and note where; move the position past it."""
        unknown = isinstance(cause, UnknownMessageType)
        if not unknown:
            self._dead_letter_run += 1
            if self._dead_letter_run >= DEAD_LETTER_RUN:
                self._exit_process(f"{self._dead_letter_run} dead letters in a row, the last: {cause!r}")
            place = await self._dead_letters.write(self._consumer, self._topic, message, cause)
        following = message.offset + 1
        async with self._engine.begin() as connection:
            moves = {message.partition: (self._next[message.partition], following)}
            await advance(connection, self._consumer, self._topic, moves, self._published)
            if unknown:
                await park(connection, self._consumer, self._topic, message, self._now())
            else:
                letter = DeadLetter(
                    *place, self._consumer, self._topic, message.partition, message.offset,
                    _message_id(message), redact_text(cause_of(cause)), self._now(),
                )  # fmt: skip
                await dead_letters.add(connection, letter)
        self._next[message.partition] = following
        self._published[message.partition] = following

    async def _republish(self, partition: int, start: int, end: int) -> None:
        while start < end:
            until = min(start + REPUBLISH_CHUNK, end)
            async with self._engine.begin() as connection:
                rows = await records.outputs(connection, self._topic, partition, start, until)
            outputs = [output for row in rows for output in msgspec.json.decode(row, type=list[OutboundMessage])]
            log.info("publishing again", topic=self._topic, partition=partition, start=start, outputs=len(outputs))
            await self._publisher.publish(outputs)
            start = until
        async with self._engine.begin() as connection:
            await mark_published(connection, self._consumer, self._topic, {partition: end})


class _Work(Generic[State, Change]):
    """What a batch has led to so far: everything to write and to publish."""

    def __init__(self, recorded_at: str, topic: str, rules: int) -> None:
        self.outputs: list[OutboundMessage] = []
        self.changes: list[Change] = []
        self.journal: list[JournalRow] = []
        self._recorded_at = recorded_at
        self._topic = topic
        self._rules = rules

    def add(self, incoming: Incoming, envelope: Envelope, id: UUID, decided: Decided[State, Change]) -> None:
        if decided.change is not None:
            self.changes.append(decided.change)
        self.journal.append(
            JournalRow(
                recorded_at=self._recorded_at,
                topic=self._topic,
                stream_partition=incoming.partition,
                stream_offset=incoming.offset,
                payment_id=id,
                version=decided.version,
                message_id=envelope.id,
                type=envelope.type,
                actor=envelope.actor,
                message=msgspec.Raw(incoming.value),
                outputs=msgspec.Raw(_encoder.encode(decided.outputs)),
                refusal=decided.refusal,
                rules=self._rules,
            )
        )
        self.outputs += decided.outputs
        if decided.reply is not None:
            self.outputs.append(decided.reply)


def _outcome(decided: Decided[State, Change]) -> tuple[str, str | None]:
    """For the metrics, with the code of the refusal."""
    if decided.refusal is not None:
        return "refused", decided.refusal.code
    return ("unchanged" if decided.change is None else "changed"), None


def _message_id(incoming: Incoming) -> str | None:
    """``None`` where the message is no envelope."""
    try:
        return decode_envelope(incoming.value).id
    except InvalidMessage:
        return None


def _open(index: int, incoming: Incoming) -> tuple[Envelope, Message]:
    try:
        envelope = decode_envelope(incoming.value)
        return envelope, envelope.open()
    except BillingError as error:
        raise Poison(index, error) from error
