"""Subscriptions on a real Postgres: what the agent writes and publishes, what it survives, and what Postgres forbids."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.messages import CreatePayment, Message, SubscriptionMessage, decode_envelope
from billing.messages.base import ReplyTo
from billing.messages.subscription_commands import CancelSubscription, Wake
from billing.messages.topics import INBOX, REPLIES, SUBSCRIPTION_EVENTS
from billing.subscriptions import simulation
from billing.subscriptions.agenda import next_action
from billing.subscriptions.decide import decide
from billing.subscriptions.model import Subscription
from billing.subscriptions.vocabulary import Status
from storage.journal.replay import REPLAYED_SUBSCRIPTIONS, Difference, check_stored
from storage.subscriptions.rows import load_subscriptions
from streams.delivery.aggregate_agent import AggregateAgent
from streams.subscriptions.agent import Subscriptions
from tests.support.streams import Crash, Log, Publisher, exit_process
from tests.support.subscriptions import NOW, subscribe

pytestmark = pytest.mark.usefixtures("database")
ID = subscribe().subscription_id


class World:
    """The database, the inbox, and agents that come and go."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.now = NOW
        self.log = Log()
        self.publisher = Publisher()

    async def agent(self, publisher: Publisher | None = None) -> AggregateAgent[Any, Any]:
        publisher = publisher or self.publisher
        agent: AggregateAgent[Any, Any] = AggregateAgent(
            Subscriptions(),
            self.engine,
            publisher,  # type: ignore[arg-type]
            publisher.dead_letters,  # type: ignore[arg-type]
            exit_process,
            now=lambda: self.now,
        )
        await agent.restore([0])
        return agent

    async def deliver(self, agent: AggregateAgent[Any, Any], *messages: Message) -> None:
        await agent.process(self.log.write(*messages))

    async def subscription(self) -> Subscription:
        async with self.engine.connect() as connection:
            return (await load_subscriptions(connection, [ID]))[ID]

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(sql))]

    def sent(self, topic: str, publisher: Publisher | None = None) -> list[Message]:
        published = (publisher or self.publisher).published
        return [decode_envelope(bytes(o.value)).open() for o in published if o.topic == topic]

    def asked(self) -> list[CreatePayment]:
        return [m for m in self.sent(INBOX.name) if isinstance(m, CreatePayment)]

    async def to_the_next_charge(self, agent: AggregateAgent[Any, Any]) -> CreatePayment:
        before = len(self.asked())
        while len(self.asked()) == before:
            appointment = next_action(await self.subscription())
            assert appointment is not None
            self.now = max(self.now, appointment.at)
            await self.deliver(agent, Wake(ID, at=self.now))
        return self.asked()[-1]


@pytest.fixture
async def world(database: Any) -> World:
    return World(database)


async def test_a_life_leaves_its_rows_and_its_events(world: World) -> None:
    agent = await world.agent()
    await world.deliver(agent, subscribe())
    await world.deliver(agent, simulation.captured(world.asked()[0], world.now))
    renewal = await world.to_the_next_charge(agent)
    await world.deliver(agent, simulation.captured(renewal, world.now))

    stored = await world.subscription()
    assert (stored.status, stored.period and stored.period.number) == (Status.ACTIVE, 2)
    assert await world.rows("SELECT number, status FROM subscription_periods ORDER BY number") == [
        (1, "PAID"),
        (2, "PAID"),
    ]
    assert await world.rows("SELECT period, number, purpose, trigger, state FROM renewal_attempts ORDER BY period") == [
        (1, 1, "FIRST", "CUSTOMER", "PAID"),
        (2, 1, "RENEWAL", "SCHEDULE", "PAID"),
    ]
    ((next_at, status, provider),) = await world.rows("SELECT next_action_at, status, provider FROM subscriptions")
    assert next_at > world.now
    assert (status, provider) == ("ACTIVE", "yookassa")
    assert await world.rows("SELECT life, terms_sha256 FROM consents") == [(1, "ab" * 32)]
    versions = [m.version for m in world.sent(SUBSCRIPTION_EVENTS.name)]  # type: ignore[attr-defined]
    assert versions == list(range(1, stored.version + 1))


async def test_a_batch_that_opens_and_closes_an_attempt_and_cuts_a_period_is_one_statement(world: World) -> None:
    agent = await world.agent()
    first = subscribe()

    decision = decide(None, first, NOW)
    (create,) = decision.payments
    assert isinstance(create, CreatePayment)
    await world.deliver(agent, first, simulation.captured(create, NOW), CancelSubscription(ID, command_id=uuid4()))
    stored = await world.subscription()
    assert stored.cancel is not None
    assert await world.rows("SELECT state FROM renewal_attempts") == [("PAID",)]


async def test_its_journal_leads_to_what_is_stored_and_shows_what_was_changed_beside_it(world: World) -> None:
    async def found() -> list[tuple[Any, list[Difference] | None]]:
        return [pair async for batch in check_stored(world.engine, REPLAYED_SUBSCRIPTIONS) for pair in batch]

    agent = await world.agent()
    await world.deliver(agent, subscribe())
    await world.deliver(agent, simulation.captured(world.asked()[0], world.now))
    await world.to_the_next_charge(agent)
    assert await found() == [(ID, [])]

    async with world.engine.begin() as connection:
        await connection.execute(text("""UPDATE subscriptions SET state = jsonb_set(state, '{faults}', '3')"""))
    assert await found() == [(ID, [Difference("faults", 3, 0)])]


@pytest.mark.parametrize("step", ["subscribe", "wake", "outcome"])
async def test_dying_between_commit_and_publishing_loses_and_doubles_nothing(world: World, step: str) -> None:
    agent = await world.agent()
    messages: dict[str, SubscriptionMessage] = {"subscribe": subscribe()}
    if step != "subscribe":
        await world.deliver(agent, messages["subscribe"])
        await world.deliver(agent, simulation.captured(world.asked()[0], world.now))
        appointment = next_action(await world.subscription())
        while appointment is not None and appointment.what.name != "CHARGE":
            world.now = max(world.now, appointment.at)
            await world.deliver(agent, Wake(ID, at=world.now))
            appointment = next_action(await world.subscription())
        assert appointment is not None
        world.now = appointment.at
        messages["wake"] = Wake(ID, at=world.now)
    if step == "outcome":
        await world.deliver(agent, messages["wake"])
        messages["outcome"] = simulation.captured(world.asked()[-1], world.now)
    before = len(world.publisher.published)
    world.publisher.crash_on_publish = True
    with pytest.raises(Crash):
        await world.deliver(agent, messages[step])
    assert len(world.publisher.published) == before

    successor = Publisher()
    await world.agent(successor)
    published = successor.ids()
    assert published
    third = Publisher()
    await world.agent(third)
    assert third.published == []
    if step == "wake":
        assert [type(m) for m in world.sent(INBOX.name, successor)] == [CreatePayment]


async def test_dying_before_the_commit_decides_again_and_charges_once(world: World) -> None:
    agent = await world.agent()
    await world.deliver(agent, subscribe())
    await world.deliver(agent, simulation.captured(world.asked()[0], world.now))
    payment = await world.to_the_next_charge(agent)
    # The wake-ups are delivered again, to a worker that knows nothing of them.
    successor = await world.agent()
    await successor.process(world.log.messages)
    await world.deliver(successor, Wake(ID, at=world.now), Wake(ID, at=world.now + timedelta(minutes=1)))
    # Published again is the same payment: its id is the subscription's, the period's and the attempt's.
    assert {p.payment_id for p in world.asked()} == {world.asked()[0].payment_id, payment.payment_id}
    assert await world.rows("SELECT count(*) FROM renewal_attempts") == [(2,)]


async def test_a_caller_gets_its_reply_from_the_worker_that_hears_of_the_page(world: World) -> None:
    await world.deliver(await world.agent(), subscribe(reply_to=ReplyTo(2, "caller")))
    pending = simulation.open_still(world.asked()[0], world.now, version=2)
    outcome = msgspec.structs.replace(pending, payment_url="https://pay.example/1")
    await world.deliver(await world.agent(), outcome)
    (reply,) = world.sent(REPLIES.name)
    assert reply.correlation_id == "caller"  # type: ignore[attr-defined]


async def _sold(world: World) -> None:
    agent = await world.agent()
    await world.deliver(agent, subscribe())
    await world.deliver(agent, simulation.captured(world.asked()[0], world.now))
    await world.to_the_next_charge(agent)


async def _refused(world: World, sql: str, **values: Any) -> str:
    with pytest.raises(DBAPIError) as refused:
        async with world.engine.begin() as connection:
            await connection.execute(text(sql), values)
    return str(refused.value)


async def test_postgres_refuses_a_second_open_attempt(world: World) -> None:
    await _sold(world)
    error = await _refused(
        world,
        """INSERT INTO renewal_attempts SELECT :payment, subscription_id, period, 99, purpose, trigger, state, decline,
           reason, amount, currency, provider, method_id, requested_at, ended_at, version
           FROM renewal_attempts WHERE state = 'REQUESTED'""",
        payment=uuid4(),
    )
    assert "one_open_attempt" in error


async def test_postgres_refuses_a_second_payment_for_a_period(world: World) -> None:
    await _sold(world)
    error = await _refused(
        world,
        """INSERT INTO renewal_attempts SELECT :payment, subscription_id, period, 99, purpose, trigger, state, decline,
           reason, amount, currency, provider, method_id, requested_at, ended_at, version
           FROM renewal_attempts WHERE state = 'PAID'""",
        payment=uuid4(),
    )
    assert "one_payment_per_period" in error


async def test_postgres_refuses_to_sell_time_twice(world: World) -> None:
    await _sold(world)
    error = await _refused(
        world,
        """INSERT INTO subscription_periods SELECT subscription_id, 99, life, start_at + interval '1 day',
           end_at + interval '1 day', price_id, amount, currency, status, :payment, version FROM subscription_periods""",
        payment=uuid4(),
    )
    assert "sold_once" in error


async def test_postgres_refuses_a_subscription_that_nobody_looks_after(world: World) -> None:
    await _sold(world)
    assert "looked_after" in await _refused(world, "UPDATE subscriptions SET next_action_at = NULL")


async def test_postgres_refuses_to_change_a_price(world: World) -> None:
    async with world.engine.begin() as connection:
        await connection.execute(
            text(
                """INSERT INTO plans VALUES ('site', 'cinema', 'cinema', 'Cinema', now(), NULL);
                """
            )
        )
        await connection.execute(
            text("INSERT INTO prices VALUES (:id, 'site', 'cinema', 1, 'RUB', 100, '{}', now(), 'anna')"),
            {"id": uuid4()},
        )
    assert "a price never changes" in await _refused(world, "UPDATE prices SET amount = 200")
    assert "a price never changes" in await _refused(world, "DELETE FROM prices")


async def test_a_message_that_breaks_a_rule_is_set_aside_and_the_others_go_on(world: World) -> None:
    agent = await world.agent()
    await world.deliver(agent, Wake(uuid4(), at=datetime.now(NOW.tzinfo)), subscribe())
    assert len(world.publisher.dead_letters.written) == 1
    assert (await world.subscription()).status is Status.INCOMPLETE
