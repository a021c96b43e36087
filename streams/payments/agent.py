"""The payments agent: the only writer of payments, a binding of ``decide`` to the delivery machinery."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages import AmendPayment, Envelope, Message, Reply
from billing.messages.topics import EVENTS, INBOX, REPLIES, REQUEST_TOPICS, SUBSCRIPTIONS
from billing.payments.capture_modes import shows_another_mode
from billing.payments.decide import RULES, decide
from billing.payments.decision import Decision
from billing.payments.model import Operation, Payment
from billing.vocabulary import PaymentStatus
from runtime.kafka.publisher import OutboundMessage, outbound
from storage.journal.records import JournalRow
from storage.payments.rows import load_payments
from storage.payments.save import Changes, save
from storage.streams.positions import Consumer, Move
from streams.delivery.aggregate import Decided

log = structlog.get_logger(__name__)

SOURCE: Final = "/streams/payments"


class PaymentChange(NamedTuple):
    """A decision that created or changed a payment. ``before``: its status until then; ``None`` where it is new.
    ``amended``: its order may have changed too."""

    payment: Payment
    before: PaymentStatus | None
    decision: Decision
    amended: bool = False


class Payments:
    """Payments as an :class:`~streams.delivery.aggregate.Aggregate`. ``on_other_mode`` gets the provider of a payment
    that is captured otherwise than it asked; ``on_status`` the provider, the status before (``None``: new) and the new one of
    each change that is committed."""

    consumer = Consumer.PAYMENTS
    inbox = INBOX
    rules = RULES

    def __init__(
        self,
        on_other_mode: Callable[[str], None] = lambda _provider: None,
        on_status: Callable[[str, PaymentStatus | None, PaymentStatus], None] = lambda *_: None,
    ) -> None:
        self._on_other_mode = on_other_mode
        self._on_status = on_status

    async def load(self, connection: AsyncConnection, ids: Sequence[UUID]) -> Mapping[UUID, Payment]:
        """The payments with these ids that exist."""
        return await load_payments(connection, ids)

    def decide(
        self, state: Payment | None, message: Message, cause: Envelope, now: datetime
    ) -> Decided[Payment, PaymentChange]:
        """What follows from a message to a payment."""
        if state is not None and shows_another_mode(state, message):
            log.warning(
                "provider captures otherwise than the payment asked",
                payment=str(state.id),
                provider=state.provider,
                capture_mode=state.capture_mode,
            )
            self._on_other_mode(state.provider)
        decision = decide(state, message, now)
        payment = decision.payment
        change = None
        if payment is not None and payment is not state:
            before = None if state is None else state.status
            change = PaymentChange(payment, before, decision, isinstance(message, AmendPayment))
        return Decided(
            payment,
            None if payment is None else payment.version,
            change,
            _outputs(decision, message.subject_id, now, cause),
            None if decision.reply is None else _reply(decision.reply, decision.reply_partition, now),
            decision.refusal,
        )

    async def save(
        self,
        connection: AsyncConnection,
        states: Mapping[UUID, Payment],
        changes: Sequence[PaymentChange],
        journal: Sequence[JournalRow],
        moves: Sequence[Move],
    ) -> None:
        """Write payments, their operations and postings, the journal and the positions."""
        created = {change.payment.id for change in changes if change.before is None}
        amended = {change.payment.id for change in changes if change.amended}
        operations = {operation.id: change.payment.id for change in changes for operation in change.decision.operations}
        await save(
            connection,
            Changes(
                created=[states[id] for id in created],
                amended=[states[id] for id in amended - created],
                payments=[states[id] for id in {change.payment.id for change in changes}],
                operations=[_operation(states[payment_id], id) for id, payment_id in operations.items()],
                postings=[
                    (states[change.payment.id], posting) for change in changes for posting in change.decision.postings
                ],
                journal=journal,
                saved=[change.decision.saved for change in changes if change.decision.saved is not None],
                aliases=[(states[change.payment.id], alias) for change in changes for alias in change.decision.aliases],
                died=[change.decision.died for change in changes if change.decision.died is not None],
            ),
            moves,
        )
        for change in changes:
            if change.before is not change.payment.status:
                self._on_status(change.payment.provider, change.before, change.payment.status)


def _operation(payment: Payment, id: UUID) -> tuple[Payment, Operation]:
    operation = payment.operation(id)
    assert operation is not None
    return payment, operation


def _outputs(decision: Decision, payment_id: UUID, now: datetime, cause: Envelope) -> list[OutboundMessage]:
    output = partial(outbound, source=SOURCE, time=now, traceparent=cause.traceparent)
    outputs = [
        output(REQUEST_TOPICS[request.lane], request, id=f"{request.operation_id}/{request.action}/{cause.id}")
        for request in decision.requests
    ]
    if decision.event is not None:
        outputs.append(output(EVENTS, decision.event, id=f"{payment_id}/{decision.event.version}"))
    if (outcome := decision.outcome) is not None:
        outcome_id = f"{payment_id}/{outcome.payment_version}/outcome"
        if decision.event is None:  # said again, on request: no repeat of what was said before
            outcome_id += f"/{cause.id}"
        outputs.append(output(SUBSCRIPTIONS, outcome, id=outcome_id))
    return outputs


def _reply(reply: Reply, partition: int, now: datetime) -> OutboundMessage:
    id = reply.correlation_id
    return outbound(REPLIES, reply, id=id, source=SOURCE, time=now, key=id, partition=partition)
