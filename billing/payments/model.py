"""A payment: the amounts of an order that are authorized, captured and refunded, and the operations behind them."""

from datetime import datetime
from uuid import UUID

import msgspec

from billing.errors import InvariantBroken
from billing.messages import ProviderReason
from billing.orders import Cart, Order
from billing.vocabulary import Action, CaptureMode, LearntBy, OperationStatus, OperationType, Outcome, PaymentStatus

OPEN = (OperationStatus.PENDING, OperationStatus.UNKNOWN)
CHARGES = (OperationType.AUTHORIZE, OperationType.RECURRING)
OPENING_ACTIONS = (Action.CREATE, Action.RECUR)


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One movement of money, or the attempt at one. ``amount``: minor units of the payment's currency.

    ``provider`` performs it by ``action``. ``outcome``: of the last call for it, ``None`` before the first;
    ``follow_ups``: how many were sent, ``answered``: how many of them the provider answered, ``next_follow_up_at``: when
    the next is due (UTC). ``cart``: the final cart of a
    capture, or the items of a refund. ``reason``: why it failed, the text of a :class:`~billing.reasons.Reason`; until
    then the client's own reason for a void, refund or rollback. ``provider_reason``: the provider's own words for why it
    failed. ``corrections``: ids of the corrections
    applied to it, by operators or by the provider's statement. ``fingerprint``: of the command that requested it, ``None`` without an API client. ``retry_after_s``:
    with the decline of a charge, how long the provider wants no further one, seconds. ``asked_at``: when the question
    under way about it was asked (UTC), ``None`` where none is. ``learnt_by``: how its end was learnt, ``None`` while it is
    open, and where it ended without a provider's word; ``occurred_at``: the provider's own time (UTC) of the state that
    showed the end, where it says so; nothing is decided by it.
    """

    id: UUID
    type: OperationType
    action: Action
    status: OperationStatus
    amount: int
    provider: str
    created_at: datetime
    updated_at: datetime
    outcome: Outcome | None = None
    provider_ref: str | None = None
    reason: str | None = None
    follow_ups: int = 0
    next_follow_up_at: datetime | None = None
    cart: Cart | None = None
    corrections: tuple[UUID, ...] = ()
    fingerprint: str | None = None
    provider_reason: ProviderReason | None = None
    answered: int = 0
    retry_after_s: int | None = None
    asked_at: datetime | None = None
    learnt_by: LearntBy | None = None
    occurred_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Not final."""
        return self.status in OPEN


class Payment(msgspec.Struct, frozen=True, omit_defaults=True):
    """The aggregate that one agent owns. Amounts in minor units of ``order.currency``; times in UTC. ``charged_back``: by
    chargebacks, without those that came back; the status does not show it.

    ``version`` grows by one with every change. ``provider``: the present one; ``alternatives``: the providers to try
    next, in this order (:mod:`billing.payments.failover`). ``order_ref``: the provider's name of the order, see
    :meth:`billing.payments.decision.Draft.name_order`. ``expires_at``: from then on an unpaid payment is closed, once
    the provider confirms that it is unpaid. ``reason``: why it failed, the text of a :class:`~billing.reasons.Reason`.
    ``saved_method``: the method to charge with the customer absent; ``method_ref``: the method this payment saved.
    ``method_title``, ``method_expires``: of that method, where the provider tells. ``not_after``: from then on (UTC) a
    charge is not sent any more. ``withdrawn``: why nobody wants the charge any more (:mod:`billing.payments.withdrawal`).
    ``contradiction``: in what the provider, asked, contradicts the books, for a person to settle; ``None`` once it
    agrees. ``method_last4``: the last digits of the card that paid, where the provider told. ``refunds_blocked``: a person
    has stopped further refunds (:mod:`billing.payments.amendment`).
    """

    id: UUID
    client_id: str
    fingerprint: str
    order: Order
    provider: str
    capture_mode: CaptureMode
    status: PaymentStatus
    version: int
    order_ref: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    hold_s: int
    save_method: bool = False
    saved_method: str | None = None
    method_ref: str | None = None
    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    payment_url: str | None = None
    reason: str | None = None
    alternatives: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    contradiction: str | None = None
    method_title: str | None = None
    method_expires: str | None = None
    not_after: datetime | None = None
    withdrawn: str | None = None
    charged_back: int = 0
    refunds_blocked: bool = False
    method_last4: str | None = None

    @property
    def standing(self) -> tuple[Operation, ...]:
        """The operations at the payment's provider. Its amounts are the sums of these; operations at abandoned providers
        (:mod:`billing.payments.abandoned_attempts`) do not count."""
        return tuple(o for o in self.operations if o.provider == self.provider)

    @property
    def open_refunds(self) -> tuple[Operation, ...]:
        """The refunds that are requested and not final."""
        return tuple(o for o in self.standing if o.type is OperationType.REFUND and o.is_open)

    @property
    def refund_pending(self) -> int:
        """Minor units reserved by refunds that are requested and not final."""
        return sum(o.amount for o in self.open_refunds)

    @property
    def refundable(self) -> int:
        """Minor units that a new refund may ask for."""
        return self.captured - self.refunded - self.refund_pending - self.charged_back

    @property
    def charge(self) -> Operation:
        """The operation that authorizes or charges the customer's money at the payment's provider."""
        return next(o for o in reversed(self.operations) if o.type in CHARGES)

    def operation(self, id: UUID) -> Operation | None:
        """The operation with this id, if the payment has it."""
        return next((o for o in self.operations if o.id == id), None)

    def open_operation(self, type: OperationType) -> Operation | None:
        """The oldest operation of this type at the payment's provider that is not final."""
        return next((o for o in self.standing if o.type is type and o.is_open), None)

    def order_ref_at(self, provider: str) -> str:
        """The name of the order at the payment's provider, or at one that it abandoned."""
        if provider == self.provider:
            return self.order_ref
        opened = next(o for o in self.operations if o.provider == provider)
        return opened.provider_ref or str(opened.id)

    def check(self) -> None:
        """Raise :class:`InvariantBroken` where an amount would be wrong. The database has the same constraints."""
        if not 0 <= self.authorized <= self.order.amount:
            raise InvariantBroken(f"{self.id}: authorized {self.authorized} of {self.order.amount}")
        if not 0 <= self.captured <= self.authorized:
            raise InvariantBroken(f"{self.id}: captured {self.captured} of {self.authorized} authorized")
        if self.refundable < 0:
            raise InvariantBroken(
                f"{self.id}: refunded {self.refunded}, {self.refund_pending} pending and {self.charged_back} charged back"
                f" of {self.captured} captured"
            )
        if self.refunded < 0 or self.charged_back < 0:
            raise InvariantBroken(f"{self.id}: refunded {self.refunded}, charged back {self.charged_back}")
