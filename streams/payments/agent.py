"""The payments agent: the one writer of payments.

A batch of messages becomes one Postgres transaction (states, journal, operations, ledger, stream position); what
follows is published after the commit and published again after a crash. See docs/guarantees.md, 2 to 5.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.errors import BillingError
from billing.messages import Envelope, Message, PaymentChanged, ProviderRequest, Reply, decode_envelope
from billing.messages.topics import EVENTS, INBOX, REPLIES, REQUESTS
from billing.payments.decide import decide
from billing.payments.decision import Decision
from billing.payments.model import Payment
from runtime.kafka.publisher import DeadLetterWriter, OutboundMessage, Publisher
from runtime.kafka.record import Incoming
from runtime.postgres import is_refusal
from storage.journal import records
from storage.payments.rows import Changes, JournalRow, load_payments, save
from storage.streams.positions import LostPartition, Move, advance, load_positions, mark_published

log = structlog.get_logger(__name__)

CONSUMER: Final = "payments"
#: Payments kept in memory between batches. Safe because this process is their only writer: a lost partition or a
#: failed transaction empties it.
CACHE_SIZE: Final = 20_000
#: Dead letters in a row after which something is wrong with us rather than with the messages.
DEAD_LETTER_RUN: Final = 100
RETRY_FIRST_S: Final = 0.2
RETRY_MAX_S: Final = 5.0
#: Rows of the journal read at once when outputs are published again.
REPUBLISH_CHUNK: Final = 500

_encoder = msgspec.json.Encoder()


class _Poison(Exception):
    """The message at ``index`` of the batch can never be applied."""

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(str(cause))
        self.index = index
        self.cause = cause


class PaymentsAgent:
    """Processes batches of ``billing.payments.inbox``. ``exit_process`` ends the process and does not return."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        dead_letters: DeadLetterWriter,
        exit_process: Callable[[str], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        # Each statement its own transaction: a batch is read by one and written by one.
        self._statements = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._exit_process = exit_process
        self._now = now
        self._cache: OrderedDict[UUID, Payment] = OrderedDict()
        self._next: dict[int, int] = {}
        self._published: dict[int, int] = {}
        self._dead_run = 0

    async def restore(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Take over partitions: publish what a predecessor left unpublished, return where to start."""
        self._cache.clear()
        async with self._engine.begin() as connection:
            positions = await load_positions(connection, CONSUMER, INBOX.name, partitions)
        for partition, position in positions.items():
            await self._republish(partition, position.published_offset, position.next_offset)
        self._next = {partition: position.next_offset for partition, position in positions.items()}
        self._published = dict(self._next)
        return self._next

    async def flush(self) -> None:
        """Note in Postgres that everything so far is published; otherwise the next batch does."""
        if self._published:
            async with self._engine.begin() as connection:
                await mark_published(connection, CONSUMER, INBOX.name, self._published)

    async def process(self, batch: list[Incoming]) -> None:
        """Apply a batch. Poison goes to the dead letters, an outage is waited out, a lost partition ends the process."""
        delay = RETRY_FIRST_S
        while True:
            try:
                await self._apply_without_poison(batch)
            except LostPartition as error:
                self._exit_process(str(error))
            except (DBAPIError, OSError, TimeoutError) as error:
                self._cache.clear()
                log.warning("postgres is away, the batch waits", messages=len(batch), error=repr(error), retry_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MAX_S)
            else:
                return

    async def _apply_without_poison(self, batch: list[Incoming]) -> None:
        """Apply the batch; where a message is poison, what is before it first, then write it to the dead letters, then the rest."""
        rest = batch
        while rest:
            if rest[0].offset < self._next[rest[0].partition]:  # a retry: an earlier part is already through
                rest = rest[1:]
                continue
            try:
                await self._apply(rest)
            except _Poison as poison:
                await self._apply(rest[: poison.index])
                await self._set_aside(rest[poison.index], poison.cause)
                rest = rest[poison.index + 1 :]
            except DBAPIError as error:
                self._cache.clear()
                if not is_refusal(error):
                    raise
                # The database refused a row. One of the messages is to blame: find it by halves.
                if len(rest) == 1:
                    await self._set_aside(rest[0], error)
                    return
                half = len(rest) // 2
                await self._apply_without_poison(rest[:half])
                rest = rest[half:]
            else:
                self._dead_run = 0
                return

    async def _apply(self, batch: list[Incoming]) -> None:
        if not batch:
            return
        opened = [_open(index, message) for index, message in enumerate(batch)]
        now = self._now()
        async with self._statements.connect() as connection:
            payments = await self._payments(connection, [message.payment_id for _, message in opened])
            work = _Work(payments)
            for index, (incoming, (envelope, message)) in enumerate(zip(batch, opened, strict=True)):
                try:
                    work.add(incoming, envelope, message, now)
                except BillingError as error:
                    raise _Poison(index, error) from error
            following = {incoming.partition: incoming.offset + 1 for incoming in batch}
            await save(connection, work.changes(), [self._move(partition, to) for partition, to in following.items()])
        self._next.update(following)
        self._remember(work.payments)
        await self._publisher.publish(work.outputs)
        self._published.update(following)

    def _move(self, partition: int, to: int) -> Move:
        return Move(CONSUMER, INBOX.name, partition, self._next[partition], to, self._published[partition])

    async def _payments(self, connection: AsyncConnection, ids: list[UUID]) -> dict[UUID, Payment]:
        known = {id: payment for id in ids if (payment := self._cache.get(id)) is not None}
        missing = [id for id in ids if id not in known]
        if missing:
            known |= await load_payments(connection, missing)
        return known

    def _remember(self, payments: Mapping[UUID, Payment]) -> None:
        for id, payment in payments.items():
            self._cache[id] = payment
            self._cache.move_to_end(id)
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)

    async def _set_aside(self, message: Incoming, cause: Exception) -> None:
        self._dead_run += 1
        if self._dead_run >= DEAD_LETTER_RUN:
            self._exit_process(f"{self._dead_run} dead letters in a row, the last: {cause!r}")
        await self._dead_letters.write(CONSUMER, INBOX.name, message, cause)
        following = message.offset + 1
        async with self._engine.begin() as connection:
            moves = {message.partition: (self._next[message.partition], following)}
            await advance(connection, CONSUMER, INBOX.name, moves, self._published)
        self._next[message.partition] = following
        self._published[message.partition] = following

    async def _republish(self, partition: int, start: int, end: int) -> None:
        while start < end:
            until = min(start + REPUBLISH_CHUNK, end)
            async with self._engine.begin() as connection:
                rows = await records.outputs(connection, partition, start, until)
            outputs = [output for row in rows for output in msgspec.json.decode(row, type=list[OutboundMessage])]
            log.info("publishing again", partition=partition, start=start, until=until, outputs=len(outputs))
            await self._publisher.publish(outputs)
            start = until
        async with self._engine.begin() as connection:
            await mark_published(connection, CONSUMER, INBOX.name, {partition: end})


class _Work:
    """A batch being decided: the payments as they become, and everything to write and publish."""

    def __init__(self, payments: dict[UUID, Payment]) -> None:
        self.payments = payments
        self.outputs: list[OutboundMessage] = []
        self._created: dict[UUID, Payment] = {}
        self._changed: set[UUID] = set()
        self._operations: dict[UUID, UUID] = {}
        self._postings: list[tuple[UUID, Decision]] = []
        self._journal: list[JournalRow] = []

    def add(self, incoming: Incoming, envelope: Envelope, message: Message, now: datetime) -> None:
        payment_id = message.payment_id
        before = self.payments.get(payment_id)
        decision = decide(before, message, now)
        payment = decision.payment
        outputs = _outputs(decision, payment_id, now, envelope)
        if payment is not None and payment is not before:
            self.payments[payment_id] = payment
            self._changed.add(payment_id)
            if before is None:
                self._created[payment_id] = payment
            self._operations.update({operation.id: payment_id for operation in decision.operations})
            if decision.postings:
                self._postings.append((payment_id, decision))
        self._journal.append(
            JournalRow(
                recorded_at=now.isoformat(),
                stream_partition=incoming.partition,
                stream_offset=incoming.offset,
                payment_id=payment_id,
                version=None if payment is None else payment.version,
                message_id=envelope.id,
                type=envelope.type,
                actor=envelope.actor,
                message=msgspec.Raw(incoming.value),
                outputs=msgspec.Raw(_encoder.encode(outputs)),
            )
        )
        self.outputs += outputs
        if decision.reply is not None:
            # Who waits has a deadline of its own: a reply lost in a crash is not worth a row in the journal.
            self.outputs.append(_reply(decision.reply, decision.reply_partition, now))

    def changes(self) -> Changes:
        operations = []
        for operation_id, payment_id in self._operations.items():
            payment = self.payments[payment_id]
            operation = payment.operation(operation_id)
            assert operation is not None
            operations.append((payment, operation))
        return Changes(
            created=list(self._created.values()),
            payments=[self.payments[id] for id in self._changed],
            operations=operations,
            postings=[(self.payments[id], posting) for id, d in self._postings for posting in d.postings],
            journal=self._journal,
        )


def _open(index: int, incoming: Incoming) -> tuple[Envelope, Message]:
    try:
        envelope = decode_envelope(incoming.value)
        return envelope, envelope.open()
    except BillingError as error:
        raise _Poison(index, error) from error


def _outputs(decision: Decision, payment_id: UUID, now: datetime, cause: Envelope) -> list[OutboundMessage]:
    outputs = [
        _output(REQUESTS.name, request, f"{request.operation_id}/{request.action}/{cause.id}", payment_id, now, cause)
        for request in decision.requests
    ]
    if decision.event is not None:
        event_id = f"{payment_id}/{decision.event.version}"
        outputs.append(_output(EVENTS.name, decision.event, event_id, payment_id, now, cause))
    return outputs


def _output(
    topic: str, message: ProviderRequest | PaymentChanged, id: str, payment_id: UUID, now: datetime, cause: Envelope
) -> OutboundMessage:
    subject = str(payment_id)
    envelope = Envelope.wrap(
        message, id=id, source="/streams/payments", subject=subject, time=now, traceparent=cause.traceparent
    )
    return OutboundMessage(topic, subject, msgspec.Raw(envelope.encode()))


def _reply(reply: Reply, partition: int, now: datetime) -> OutboundMessage:
    envelope = Envelope.wrap(
        reply, id=reply.correlation_id, source="/streams/payments", subject=str(reply.payment_id), time=now
    )
    return OutboundMessage(REPLIES.name, reply.correlation_id, msgspec.Raw(envelope.encode()), partition)
