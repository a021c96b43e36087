"""The delivery machinery with a second aggregate, beside the payments agent, on a real Postgres."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Uuid, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.errors import InvalidMessage
from billing.messages import Envelope, Message, Refusal, envelope
from billing.messages.topics import INBOX, Topic
from billing.vocabulary import PaymentStatus
from runtime.kafka.publisher import OutboundMessage
from storage.journal.records import JournalRow
from storage.streams.batches import batch_statement, save_batch, upsert
from storage.streams.positions import Move
from streams.delivery.aggregate import Decided
from streams.delivery.aggregate_agent import AggregateAgent
from tests.support.factories import NOW, a_create, a_payment, opened, told
from tests.support.streams import Crash, Log, ProcessExited, Publisher, World, exit_process

TALLIES = Table(
    "tallies", MetaData(), Column("id", Uuid, primary_key=True), Column("total", Integer), Column("version", Integer)
)
SAVE = batch_statement(upsert(TALLIES, "tallies", ("id",)))


class Add(Message, frozen=True):
    """Add to a tally. Negative amounts are refused, zero is poison."""

    TYPE: ClassVar[str] = "billing.test.add.v1"

    tally_id: UUID
    amount: int

    @property
    def subject_id(self) -> UUID:
        return self.tally_id


class Tally(msgspec.Struct, frozen=True):
    id: UUID
    total: int = 0
    version: int = 0


class Tallies:
    """The whole binding of an aggregate."""

    consumer = "tallies"
    inbox = Topic("billing.tallies.inbox", "tally id", "additions", 1)
    rules = 1

    async def load(self, connection: AsyncConnection, ids: Sequence[UUID]) -> Mapping[UUID, Tally]:
        rows = await connection.execute(text("SELECT * FROM tallies WHERE id = ANY(:ids)"), {"ids": list(ids)})
        return {row.id: Tally(row.id, row.total, row.version) for row in rows}

    def decide(self, state: Tally | None, message: Message, cause: Envelope, now: datetime) -> Decided[Tally, Tally]:
        assert isinstance(message, Add)
        before = state or Tally(message.tally_id)
        if message.amount == 0:
            raise InvalidMessage("nothing to add")
        if message.amount < 0:
            return Decided(state, state and state.version, None, [], refusal=Refusal("negative", "only more"))
        after = Tally(before.id, before.total + message.amount, before.version + 1)
        changed = Envelope.wrap(message, id=cause.id, source="/tallies", subject=str(before.id), time=now)
        output = OutboundMessage("billing.tallies.events", str(before.id), msgspec.Raw(changed.encode()))
        return Decided(after, after.version, after, [output])

    async def save(
        self,
        connection: AsyncConnection,
        states: Mapping[UUID, Tally],
        changes: Sequence[Tally],
        journal: Sequence[JournalRow],
        moves: Sequence[Move],
    ) -> None:
        changed = {tally.id: states[tally.id] for tally in changes}
        await save_batch(connection, SAVE, {"tallies": list(changed.values())}, journal, moves)


@pytest.fixture
async def world(database, monkeypatch) -> World:
    monkeypatch.setitem(envelope._decoders, Add.TYPE, msgspec.json.Decoder(Add))
    async with database.begin() as connection:
        await connection.execute(text("CREATE TABLE tallies (id uuid PRIMARY KEY, total integer, version integer)"))
    return World(database)


async def tallies(world: World, publisher: Publisher) -> AggregateAgent[Tally, Tally]:
    agent = AggregateAgent(
        Tallies(),
        world.engine,
        publisher,
        publisher.dead_letters,
        exit_process,
        now=lambda: NOW,  # type: ignore[arg-type]
    )
    await agent.restore([0])
    return agent


async def journal(world: World, columns: str) -> list[Any]:
    return await world.rows(f"SELECT {columns} FROM journal ORDER BY topic, stream_offset")


async def test_two_inboxes_use_the_same_partitions_and_offsets_side_by_side(world):
    publisher, log, id = Publisher(), Log(), uuid4()
    agent = await tallies(world, publisher)
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    payments = await world.agent()
    await agent.process(log.write(Add(id, 2), Add(id, 3)))
    await world.deliver(payments, create, opened(payment))
    await agent.process(log.write(Add(id, 4)))
    await world.deliver(payments, told(payment, PaymentStatus.CAPTURED))
    assert await world.rows("SELECT total, version FROM tallies") == [(9, 3)]
    assert (await world.payment(payment.id)).captured == create.order.amount
    assert await journal(world, "topic, stream_partition, stream_offset, payment_id, version") == [
        *((INBOX.name, 0, offset, payment.id, offset + 1) for offset in range(3)),
        *(("billing.tallies.inbox", 0, offset, id, offset + 1) for offset in range(3)),
    ]
    assert len(publisher.published) == 3
    assert {o.topic for o in world.publisher.published} == {"billing.provider.requests", "billing.events"}


async def test_dying_between_commit_and_publishing_publishes_only_the_outputs_of_its_own_inbox_again(world):
    publisher, log, id = Publisher(), Log(), uuid4()
    await world.deliver(await world.agent(), a_create())
    agent = await tallies(world, publisher)
    publisher.crash_on_publish = True
    with pytest.raises(Crash):
        await agent.process(log.write(Add(id, 1)))
    successor, other = Publisher(), Publisher()
    await tallies(world, successor)
    assert [(o.topic, o.key) for o in successor.published] == [("billing.tallies.events", str(id))]
    await world.agent(other)
    assert {o.topic for o in other.published} == {"billing.provider.requests", "billing.events"}
    positions = "SELECT consumer, next_offset, published_offset FROM stream_positions ORDER BY consumer"
    assert await world.rows(positions) == [("payments", 1, 1), ("tallies", 1, 1)]


async def test_what_is_loaded_is_what_was_saved(world):
    log, id = Log(), uuid4()
    await (await tallies(world, Publisher())).process(log.write(Add(id, 1)))
    await (await tallies(world, Publisher())).process(log.write(Add(id, 1)))
    assert await world.rows("SELECT total, version FROM tallies") == [(2, 2)]


async def test_a_refusal_is_recorded_though_nobody_waits_for_it(world):
    log, id = Log(), uuid4()
    await (await tallies(world, Publisher())).process(log.write(Add(id, 1), Add(id, -1)))
    assert await journal(world, "refusal") == [(None,), ({"code": "negative", "detail": "only more"},)]


async def test_a_rival_on_the_same_partition_is_fenced_off(world):
    log, id = Log(), uuid4()
    zombie = await tallies(world, Publisher())
    batch = log.write(Add(id, 1))
    await (await tallies(world, Publisher())).process(batch)
    with pytest.raises(ProcessExited, match="moved by another process"):
        await zombie.process(batch)
    assert await world.rows("SELECT total FROM tallies") == [(1,)]


async def test_a_refused_row_and_a_poisonous_message_in_one_batch_cost_only_themselves(world):
    publisher, log, id = Publisher(), Log(), uuid4()
    too_much = Add(uuid4(), 2**31)  # does not fit the column
    batch = log.write(Add(id, 1), too_much, Add(id, 1), Add(id, 0), Add(id, 1))
    await (await tallies(world, publisher)).process(batch)
    assert [message.offset for message, _ in publisher.dead_letters.written] == [1, 3]
    assert await world.rows("SELECT total FROM tallies") == [(3,)]
