"""The result of a decision, and the draft in which it is built."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from billing.errors import InvariantBroken
from billing.ledger.postings import Posting
from billing.messages import (
    ItemView,
    Observation,
    OperationView,
    PaymentChanged,
    PaymentOutcome,
    PaymentSnapshot,
    ProviderReason,
    ProviderRequest,
    Refusal,
    Reply,
    ReplyTo,
)
from billing.messages.event_parts import CallView, EntryView, PostingView
from billing.payments.allocation import lines
from billing.payments.entitlement import entitlement
from billing.payments.lifecycle import CORRECTIONS, TRANSITIONS, Fact
from billing.payments.model import Operation, Payment
from billing.payments.outcome import outcome_of
from billing.payments.saved_method import MethodDied, MethodSaved, method_died, method_saved
from billing.vocabulary import LearntBy, OperationStatus, OperationType, PaymentStatus

#: The smallest step between two changes of one payment: the resolution of Postgres and ClickHouse.
_TICK: Final = timedelta(microseconds=1)


class Alias(msgspec.Struct, frozen=True):
    """Another id by which a provider refers to a payment's order, or to something made of it."""

    provider: str
    alias: str


class Decision(msgspec.Struct, frozen=True):
    """The consequences of one message: the payment's new state, and what to store, request and publish.

    ``payment`` is ``None`` where none exists and the message created none. ``operations``: those created or changed.
    ``event`` is set exactly when the payment changed. ``refusal``: why the command was not carried out; ``reply``: to
    the waiting caller, ``None`` without one. ``outcome``: to the subscription that it is a payment of.
    ``saved``, ``died``: the customer's method that the payment saved, or that can no longer be charged. ``aliases``: ids of
    the provider that its observation told.
    """

    payment: Payment | None
    operations: tuple[Operation, ...] = ()
    postings: tuple[Posting, ...] = ()
    requests: tuple[ProviderRequest, ...] = ()
    event: PaymentChanged | None = None
    refusal: Refusal | None = None
    reply: Reply | None = None
    reply_partition: int = 0
    outcome: PaymentOutcome | None = None
    saved: MethodSaved | None = None
    died: MethodDied | None = None
    aliases: tuple[Alias, ...] = ()


class Draft:
    """A payment while one message changes it. Collects the consequences; :meth:`build` makes the decision of them."""

    def __init__(
        self,
        payment: Payment,
        now: datetime,
        *,
        created: bool = False,
        learnt_by: LearntBy | None = None,
        occurred_at: datetime | None = None,
    ) -> None:
        self.payment = payment
        self.now = now
        #: How this message shows the end of operations, and the provider's time of it (UTC).
        self.learnt_by = learnt_by
        self.occurred_at = occurred_at
        self.before = None if created else payment
        self.postings: list[Posting] = []
        self.requests: list[ProviderRequest] = []
        self.aliases: tuple[Alias, ...] = ()
        #: The provider call that this message reports.
        self.call: CallView | None = None
        #: The caller to reply to. :meth:`build` replies, unless a further provider request takes the caller over.
        self.waiting: ReplyTo | None = None
        self._touched: dict[UUID, None] = {}

    def record_operation(self, operation: Operation) -> Operation:
        """Add an operation, or replace the one with its id."""
        operation = msgspec.structs.replace(operation, updated_at=self.now)
        others = self.payment.operations
        if self.payment.operation(operation.id) is None:
            operations = (*others, operation)
        else:
            operations = tuple(operation if o.id == operation.id else o for o in others)
        self.payment = msgspec.structs.replace(self.payment, operations=operations)
        self._touched[operation.id] = None
        return operation

    def update(self, **changes: object) -> None:
        """Change fields of the payment."""
        self.payment = msgspec.structs.replace(self.payment, **changes)

    def name_order(self, operation: Operation, order_ref: str) -> Operation:
        """Record the provider's name of the order that ``operation`` opened. Until it is known, the operation's id is
        the name. The first name stays, unless a second order for the same operation turns out to be the paid one."""
        if self.payment.order_ref != str(operation.id):
            return operation
        return self.rename_order(operation, order_ref)

    def rename_order(self, operation: Operation, order_ref: str) -> Operation:
        """Replace the provider's name of the order that ``operation`` opened."""
        if order_ref == self.payment.order_ref:
            return operation
        self.update(order_ref=order_ref)
        return self.record_operation(msgspec.structs.replace(operation, provider_ref=order_ref))

    def mark(self, contradiction: str | None) -> None:
        """Note in what the provider contradicts the books; ``None``: in nothing."""
        if self.payment.contradiction != contradiction:
            self.update(contradiction=contradiction)

    def transition(self, fact: Fact) -> bool:
        """Make the transition for ``fact``; ``False`` where the table has none, since the fact is not new."""
        status = TRANSITIONS.get((self.payment.status, fact))
        if status is None:
            return False
        self.update(status=status)
        return True

    def close(
        self,
        operation: Operation,
        status: OperationStatus,
        reason: str | None = None,
        provider_reason: ProviderReason | None = None,
    ) -> Operation:
        """Make an operation final. ``provider_reason``: the provider's own words for ``reason``."""
        return self.record_operation(
            msgspec.structs.replace(
                operation,
                status=status,
                reason=reason or operation.reason,
                provider_reason=provider_reason,
                next_follow_up_at=None,
                learnt_by=self.learnt_by,
                occurred_at=self.occurred_at,
            )
        )

    def derive_status(self) -> None:
        """Set the status that follows from the amounts, after a correction or an undone refund.

        Raises :class:`InvariantBroken` for a change that :data:`~billing.payments.lifecycle.CORRECTIONS` does not have.
        """
        status = self._status_of_amounts()
        before = self.payment.status if self.before is None else self.before.status
        if status is not before and status not in CORRECTIONS[before]:
            raise InvariantBroken(f"{self.payment.id}: a correction cannot lead from {before} to {status}")
        self.update(status=status)

    def _status_of_amounts(self) -> PaymentStatus:
        payment = self.payment
        if payment.captured:
            if payment.refunded == 0:
                return PaymentStatus.CAPTURED
            whole = payment.refunded == payment.captured
            return PaymentStatus.REFUNDED if whole else PaymentStatus.PARTIALLY_REFUNDED
        if payment.authorized == 0:
            return PaymentStatus.FAILED
        voided = any(o.type is OperationType.VOID and o.status is OperationStatus.SUCCESS for o in payment.standing)
        return PaymentStatus.VOIDED if voided else PaymentStatus.AUTHORIZED

    def build(self) -> Decision:
        """Check the invariants, raise the version, and make the event and the reply."""
        if self.payment is not self.before:
            version = self.payment.version + (self.before is not None)
            self.update(version=version, updated_at=self._moment())
        self.payment.check()
        touched = tuple(o for o in self.payment.operations if o.id in self._touched)
        event = outcome = None
        if self.payment is not self.before:
            outcome = outcome_of(self.payment)
            event = PaymentChanged(
                **msgspec.structs.asdict(snapshot(self.payment, touched)),
                previous_status=None if self.before is None else self.before.status,
                entitlement=entitlement(self.before, self.payment),
                lines=lines(self.payment),
                postings=tuple(map(_posting_view, self.postings)),
                call=self.call,
            )
        return Decision(
            self.payment,
            touched,
            tuple(self.postings),
            tuple(self.requests),
            event,
            reply=answer(self.payment, self.waiting),
            reply_partition=0 if self.waiting is None else self.waiting.partition,
            outcome=outcome,
            saved=method_saved(self.before, self.payment),
            died=method_died(self.before, self.payment),
            aliases=self.aliases,
        )

    def _moment(self) -> datetime:
        """Now, but later than the previous change: the messages of one batch share one time, the workers' clocks
        differ, and the versions of access signals are derived from this time."""
        return self.now if self.before is None else max(self.now, self.before.updated_at + _TICK)


def aliases_of(provider: str, observed: Observation | None) -> tuple[Alias, ...]:
    """The aliases in a provider's observation."""
    return () if observed is None else tuple(Alias(provider, alias) for alias in observed.aliases)


def answer(payment: Payment, reply_to: ReplyTo | None, *, replayed: bool = False) -> Reply | None:
    """The reply with the payment's snapshot; ``None`` when no caller waits. ``replayed``: to a repeated command."""
    if reply_to is None:
        return None
    return Reply(payment.id, reply_to.correlation_id, snapshot(payment, payment.operations), replayed=replayed)


def refuse(payment: Payment | None, payment_id: UUID, code: str, detail: str, reply_to: ReplyTo | None) -> Decision:
    """Change nothing and record why; reply if a caller waits."""
    refusal = Refusal(code, detail)
    if reply_to is None:
        return Decision(payment, refusal=refusal)
    reply = Reply(payment_id, reply_to.correlation_id, refusal=refusal)
    return Decision(payment, refusal=refusal, reply=reply, reply_partition=reply_to.partition)


def snapshot(payment: Payment, operations: tuple[Operation, ...]) -> PaymentSnapshot:
    """The payment as an event or a reply shows it, with these of its operations."""
    order = payment.order
    return PaymentSnapshot(
        payment_id=payment.id,
        version=payment.version,
        status=payment.status,
        customer_id=order.customer_id,
        order_id=order.id,
        client_id=payment.client_id,
        provider=payment.provider,
        capture_mode=payment.capture_mode,
        currency=order.currency,
        amount=order.amount,
        authorized=payment.authorized,
        captured=payment.captured,
        refunded=payment.refunded,
        created_at=payment.created_at,
        changed_at=payment.updated_at,
        items=tuple(ItemView(i.product_id, i.title, i.quantity, i.unit_price, i.type.value) for i in order.cart.items),
        operations=tuple(
            OperationView(
                o.id,
                o.type,
                o.status,
                o.amount,
                o.created_at,
                o.updated_at,
                o.provider_ref,
                o.reason,
                o.provider,
                o.provider_reason,
                o.learnt_by,
                o.occurred_at,
            )
            for o in operations
        ),
        payment_url=payment.payment_url,
        reason=payment.reason,
        contradiction=payment.contradiction,
        subscription=order.subscription,
        metadata=order.metadata,
        charged_back=payment.charged_back,
    )


def _posting_view(posting: Posting) -> PostingView:
    entries = tuple(EntryView(str(entry.account), entry.amount) for entry in posting.entries)
    assert posting.operation_id is not None, "a payment's postings are its operations'"
    return PostingView(posting.id, posting.operation_id, posting.posted_at, entries)
