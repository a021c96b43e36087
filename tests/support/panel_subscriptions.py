"""Subscriptions in the panel's world: their agent in the place of Kafka, and payments that are paid."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from backoffice.commands import enveloped
from billing.messages import MESSAGE_TYPES, CreatePayment, Message, decode_envelope
from billing.messages.base import ReplyTo
from billing.messages.subscription_commands import SubscriptionCommand, Wake
from billing.messages.subscription_events import SubscriptionReply
from billing.orders import Contact
from billing.subscriptions import simulation
from billing.subscriptions.agenda import next_action
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import subscription_id
from billing.vocabulary import PaymentStatus
from runtime.clock import utc_now
from storage.payments.rows import load_payments
from storage.subscriptions.rows import load_subscriptions
from streams.delivery.aggregate_agent import AggregateAgent
from streams.subscriptions.agent import Subscriptions
from tests.support.factories import opened, told
from tests.support.panel import HIDDEN, KEY, Panel
from tests.support.streams import Log, Publisher, exit_process
from tests.support.subscriptions import CLIENT, CUSTOMER, subscribe

CONTACT = Contact("anna.k@example.com", "+79161234567")


class SubscriptionPanel(Panel):
    """A panel whose subscriptions are decided by their agent, at the time that the test says."""

    def __init__(self, world: Any, database: Any) -> None:
        super().__init__(world, database)
        self.inbox = Log()
        self.outbox = Publisher()
        self.now = utc_now() - timedelta(days=3)
        self.asked_of: list[tuple[SubscriptionCommand, str]] = []
        self._clock: Callable[[], datetime] = utc_now
        self._made: AggregateAgent[Any, Any] | None = None

    async def deliver(self, *messages: Message) -> None:
        """The agent of subscriptions decides on the messages."""
        self._clock = lambda: self.now
        await (await self._agent()).process(self.inbox.write(*messages))

    async def send_subscription(
        self, _sender: Any, _engine: Any, command: SubscriptionCommand, operator: str
    ) -> SubscriptionReply | None:
        """Instead of Kafka: the agent decides on the very bytes."""
        self.asked_of.append((command, operator))
        asks = msgspec.structs.replace(command, reply_to=ReplyTo(0, str(uuid4())))
        assert msgspec.json.decode(msgspec.json.encode(asks), type=MESSAGE_TYPES[asks.TYPE]) == asks
        self._clock = utc_now
        agent = await self._agent()
        before = len(self.outbox.published)
        value = enveloped(asks, command.command_id, operator, "/admin").encode()
        await agent.process([self.inbox.write_raw(value)])
        answers = [decode_envelope(bytes(o.value)).open() for o in self.outbox.published[before:]]
        return next((answer for answer in answers if isinstance(answer, SubscriptionReply)), None)

    async def a_subscription(self, customer: str = CUSTOMER, **changes: Any) -> Subscription:
        """Somebody has subscribed three days ago, and paid."""
        id = subscription_id(CLIENT, "cinema", customer)
        command = subscribe(subscription_id=id, customer_id=customer, contact=CONTACT, **changes)
        await self.deliver(command)
        await self.paid(self.asked()[-1])
        return await self.subscription(id)

    async def paid(self, create: CreatePayment) -> None:
        """The payment is paid, and its subscription knows."""
        payments = await self.stream.agent(now=lambda: self.now)
        await self.stream.deliver(payments, create)
        async with self.stream.engine.connect() as connection:
            payment = (await load_payments(connection, [create.payment_id]))[create.payment_id]
        await self.stream.deliver(payments, opened(payment), told(payment, PaymentStatus.CAPTURED))
        await self.deliver(simulation.captured(create, self.now))

    async def renewed(self, id: UUID) -> None:
        """Time passes to the next charge, which is paid."""
        await self.charged(id)
        await self.paid(self.asked()[-1])

    async def declined(self, id: UUID, reason: str = "card_expired") -> Subscription:
        """Time passes to the next charge, which fails."""
        await self.charged(id)
        await self.deliver(simulation.failed(self.asked()[-1], self.now, reason))
        return await self.subscription(id)

    async def charged(self, id: UUID) -> None:
        """Time passes to the next charge, which is under way."""
        before = len(self.asked())
        while len(self.asked()) == before:
            appointment = next_action(await self.subscription(id))
            assert appointment is not None
            self.now = max(self.now, appointment.at)
            await self.deliver(Wake(id, at=self.now))

    async def subscription(self, id: UUID) -> Subscription:
        async with self.stream.engine.connect() as connection:
            return (await load_subscriptions(connection, [id]))[id]

    def asked(self) -> list[CreatePayment]:
        """The payments that subscriptions asked for."""
        sent = [decode_envelope(bytes(o.value)).open() for o in self.outbox.published]
        return [message for message in sent if isinstance(message, CreatePayment)]

    async def subscription_form(self, s: Subscription, action: str, **fields: str) -> tuple[int, str]:
        """The preview of an action on a subscription."""
        form = await self.get(f"/subscriptions/{s.id}/{action}")
        (key,) = KEY.findall(form)
        answer = await self.world.post(f"/subscriptions/{s.id}/{action}/preview", {"key": key, **fields})
        return answer.status, await answer.text()

    async def subscription_confirmed(self, s: Subscription, action: str, previewed: str) -> tuple[int, str]:
        hidden = {name: value for name, value in HIDDEN.findall(previewed) if name != "form_token"}
        answer = await self.world.post(f"/subscriptions/{s.id}/{action}/confirm", hidden)
        return answer.status, await answer.text()

    async def act_on(self, s: Subscription, action: str, **fields: str) -> tuple[int, str]:
        status, page = await self.subscription_form(s, action, **fields)
        assert status == 200, page
        return await self.subscription_confirmed(s, action, page)

    def _time(self) -> datetime:
        return self._clock()

    async def _agent(self) -> AggregateAgent[Any, Any]:
        if self._made is None:
            self._made = AggregateAgent(
                Subscriptions(),
                self.stream.engine,
                self.outbox,  # type: ignore[arg-type]
                self.outbox.dead_letters,  # type: ignore[arg-type]
                exit_process,
                now=self._time,
            )
            await self._made.restore([0])
        return self._made
