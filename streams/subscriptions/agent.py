"""The subscriptions agent: a binding of ``decide`` to the delivery machinery."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages import Envelope, Message
from billing.messages.topics import INBOX, REPLIES, SUBSCRIPTION_EVENTS, SUBSCRIPTIONS
from billing.subscriptions.decide import RULES, decide
from billing.subscriptions.decision import Decision
from billing.subscriptions.model import Subscription
from runtime.kafka.publisher import OutboundMessage, outbound
from storage.journal.records import JournalRow
from storage.streams.positions import Consumer, Move
from storage.subscriptions.rows import load_subscriptions
from storage.subscriptions.save import Change, save
from streams.delivery.aggregate import Decided

SOURCE: Final = "/streams/subscriptions"


class Subscriptions:
    """Subscriptions as an :class:`~streams.delivery.aggregate.Aggregate`."""

    consumer = Consumer.SUBSCRIPTIONS
    inbox = SUBSCRIPTIONS
    rules = RULES

    async def load(self, connection: AsyncConnection, ids: Sequence[UUID]) -> Mapping[UUID, Subscription]:
        """The subscriptions with these ids that exist."""
        return await load_subscriptions(connection, ids)

    def decide(
        self, state: Subscription | None, message: Message, cause: Envelope, now: datetime
    ) -> Decided[Subscription, Change]:
        """What follows from a message to a subscription."""
        decision = decide(state, message, now)
        after, event = decision.subscription, decision.event
        return Decided(
            after,
            None if after is None else after.version,
            None if after is None or event is None else Change(after, event, decision.consent),
            _outputs(decision, now, cause),
            _reply(decision, now, cause),
            decision.refusal,
        )

    async def save(
        self,
        connection: AsyncConnection,
        states: Mapping[UUID, Subscription],
        changes: Sequence[Change],
        journal: Sequence[JournalRow],
        moves: Sequence[Move],
    ) -> None:
        """Write subscriptions, their periods and attempts, the journal and the positions."""
        await save(connection, states, changes, journal, moves)


def _outputs(decision: Decision, now: datetime, cause: Envelope) -> list[OutboundMessage]:
    output = partial(outbound, source=SOURCE, time=now, traceparent=cause.traceparent)
    # The cause makes the id: the same decision, published again, carries the same ids.
    outputs = [
        output(INBOX, payment, id=f"{cause.id}/{payment.TYPE}/{payment.payment_id}") for payment in decision.payments
    ]
    event = decision.event
    if event is not None:
        outputs.append(output(SUBSCRIPTION_EVENTS, event, id=f"{event.subscription_id}/{event.version}"))
    return outputs


def _reply(decision: Decision, now: datetime, cause: Envelope) -> OutboundMessage | None:
    reply = decision.reply
    if reply is None:
        return None
    id, partition, trace = reply.correlation_id, decision.reply_partition, cause.traceparent
    return outbound(REPLIES, reply, id=id, source=SOURCE, time=now, traceparent=trace, key=id, partition=partition)
