"""The payments agent and the subscriptions agent on a real database; Kafka between them is a list, and so is the provider."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages import (
    CreatePayment,
    Message,
    Observation,
    ProviderCallback,
    ProviderRequest,
    ProviderResult,
    SubscriptionMessage,
    decode_envelope,
)
from billing.messages.topics import INBOX, REQUEST_TOPICS, SUBSCRIPTIONS
from billing.subscriptions.agenda import next_action
from billing.subscriptions.model import Subscription
from billing.vocabulary import Action, Outcome, PaymentStatus
from runtime.kafka.publisher import OutboundMessage
from runtime.kafka.record import Incoming
from storage.subscriptions.rows import load_subscriptions
from streams.delivery.aggregate_agent import AggregateAgent
from streams.payments.agent import Payments
from streams.subscriptions.agent import Subscriptions
from tests.support.streams import Crash, Log, Publisher, exit_process
from tests.support.subscriptions import NOW

Answer = Callable[[ProviderRequest], str | None]
"""What a charge ends with: a reason of docs/reasons.md, or ``None``: it is paid."""


def pays(_: ProviderRequest) -> None:
    """Every charge is paid."""


class Provider:
    """Keeps what was charged and given back, by the id of the operation, as a provider does."""

    def __init__(self, answer: Answer = pays) -> None:
        self.answer = answer
        self.charged: dict[UUID, int] = {}
        self.refunded: dict[UUID, int] = {}

    def call(self, request: ProviderRequest) -> list[Message]:
        """What the provider answers, and the callback that follows."""
        if request.action is Action.REFUND:
            self.refunded[request.operation_id] = request.amount
            return [_result(request, Outcome.SUCCEEDED)]
        if request.action not in (Action.CREATE, Action.RECUR):
            return [_result(request, Outcome.SUCCEEDED)]
        reason = self.answer(request)
        saved = f"method of {request.payment_id}"
        if request.action is Action.RECUR:
            if reason is not None:
                return [_result(request, Outcome.DECLINED, reason=reason)]
            self.charged[request.operation_id] = request.amount
            return [_result(request, Outcome.SUCCEEDED)]
        status = PaymentStatus.FAILED if reason else PaymentStatus.CAPTURED
        if reason is None:
            self.charged[request.operation_id] = request.amount
        seen = Observation(status, reason=reason, method_ref=None if reason else saved)
        return [
            _result(request, Outcome.PENDING, payment_url="https://pay.example/1"),
            ProviderCallback(request.payment_id, request.provider, f"ORDER/{status}", seen),
        ]


def _result(request: ProviderRequest, outcome: Outcome, **fields: Any) -> ProviderResult:
    return ProviderResult(request.payment_id, request.operation_id, request.provider, request.action, outcome, **fields)


class Moment(StrEnum):
    """When a worker dies, around one batch."""

    BEFORE_THE_COMMIT = "before the commit"
    BEFORE_PUBLISHING = "before publishing"
    AFTER_PUBLISHING = "after publishing"


class Deaths:
    """Kills the worker at the ``number``-th passing of a moment, once."""

    def __init__(self, moment: Moment | None = None, number: int = 0) -> None:
        self._moment, self._left = moment, number

    @property
    def happened(self) -> bool:
        """The worker was killed."""
        return self._moment is not None and self._left < 0

    def pass_by(self, moment: Moment) -> None:
        """Die here, if it is time."""
        if moment is not self._moment or self._left < 0:
            return
        self._left -= 1
        if self._left < 0:
            raise Crash


class _Publisher(Publisher):
    def __init__(self, deaths: Deaths) -> None:
        super().__init__()
        self._deaths = deaths

    async def publish(self, outputs: Sequence[OutboundMessage]) -> None:
        self._deaths.pass_by(Moment.BEFORE_PUBLISHING)
        await super().publish(outputs)
        self._deaths.pass_by(Moment.AFTER_PUBLISHING)


def _dying(binding: Any, deaths: Deaths) -> Any:
    save = binding.save

    async def dies(*arguments: Any) -> None:
        deaths.pass_by(Moment.BEFORE_THE_COMMIT)
        await save(*arguments)

    binding.save = dies
    return binding


class BothAgents:
    """Delivers what one agent publishes to the other until nothing is on its way. ``partition``: of both inboxes."""

    def __init__(
        self,
        engine: AsyncEngine,
        provider: Provider | None = None,
        deaths: Deaths | None = None,
        *,
        partition: int = 0,
    ) -> None:
        self.engine = engine
        self.partition = partition
        self.deaths = deaths or Deaths()
        self.provider = provider or Provider()
        self.now = NOW
        self.publisher = _Publisher(self.deaths)
        self.inboxes = {INBOX.name: Log(partition), SUBSCRIPTIONS.name: Log(partition)}
        self._taken = 0

    async def start(self) -> None:
        """A worker is given the partitions: it publishes and processes what the one before it left."""
        bindings: dict[str, Any] = {INBOX.name: Payments(), SUBSCRIPTIONS.name: Subscriptions()}
        self.agents = {
            topic: AggregateAgent(
                _dying(binding, self.deaths),
                self.engine,
                self.publisher,  # type: ignore[arg-type]
                self.publisher.dead_letters,  # type: ignore[arg-type]
                exit_process,
                now=lambda: self.now,
            )
            for topic, binding in bindings.items()
        }
        for topic, agent in self.agents.items():
            position = (await agent.restore([self.partition]))[self.partition]
            if left := self.inboxes[topic].messages[position:]:
                await agent.process(left)

    async def send(self, message: Message) -> None:
        """Deliver a message, and all that follows from it."""
        topic = SUBSCRIPTIONS.name if isinstance(message, SubscriptionMessage) else INBOX.name
        await self._deliver(topic, self.inboxes[topic].write(message))
        await self.settle()

    async def _deliver(self, topic: str, messages: list[Incoming]) -> None:
        try:
            await self.agents[topic].process(messages)
        except Crash:
            await self.start()

    async def settle(self) -> None:
        """Deliver everything that is on its way."""
        lanes = {topic.name for topic in REQUEST_TOPICS.values()}
        while self._taken < len(self.publisher.published):
            output = self.publisher.published[self._taken]
            self._taken += 1
            if output.topic in self.inboxes:
                raw = self.inboxes[output.topic].write_raw(bytes(output.value))
                await self._deliver(output.topic, [raw])
            elif output.topic in lanes:
                request = decode_envelope(bytes(output.value)).open()
                assert isinstance(request, ProviderRequest)
                for answer in self.provider.call(request):
                    await self._deliver(INBOX.name, self.inboxes[INBOX.name].write(answer))

    async def subscription(self, id: UUID) -> Subscription:
        async with self.engine.connect() as connection:
            return (await load_subscriptions(connection, [id]))[id]

    async def next_at(self, id: UUID) -> datetime:
        """When the subscription wants to be woken (UTC)."""
        appointment = next_action(await self.subscription(id))
        assert appointment is not None
        return appointment.at

    def asked(self) -> list[CreatePayment]:
        """The payments that subscriptions asked for."""
        sent = [decode_envelope(bytes(o.value)).open() for o in self.publisher.published if o.topic == INBOX.name]
        return [message for message in sent if isinstance(message, CreatePayment)]

    async def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(sql), parameters)]
