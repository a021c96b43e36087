"""A subscription played forward with the functions that carry it out: the forecast of a live one, the calendar of one that
does not exist yet, and the histories of the tests.

A simulated payment is answered as ``respond`` says, at once. Nothing here calls a clock, a provider or a database.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from billing.messages import CreatePayment, Message, PaymentOutcome
from billing.messages.subscription_commands import Wake
from billing.orders import SubscriptionRef
from billing.reasons import Reason
from billing.subscriptions.agenda import next_action
from billing.subscriptions.decide import decide
from billing.subscriptions.decision import Decision
from billing.subscriptions.model import Subscription
from billing.vocabulary import PaymentStatus

#: What a simulated charge ends with: a reason of docs/reasons.md, or ``None``: it is paid.
Respond = Callable[[CreatePayment], str | None]

#: No subscription has so many appointments in the years that a person looks at.
_MOST: Final = 20_000


class Step(NamedTuple):
    """One decision of a simulation. ``at``: UTC."""

    at: datetime
    message: Message
    decision: Decision


def paid(_: CreatePayment) -> None:
    """Every charge is paid."""


def play(s: Subscription, until: datetime, respond: Respond = paid) -> Iterator[Step]:
    """What happens to ``s`` up to ``until`` (UTC), in order, if nobody sends a command."""
    for _ in range(_MOST):
        appointment = next_action(s)
        if appointment is None or appointment.at > until:
            return
        at = max(appointment.at, s.updated_at)
        before = s
        for step in send(s, Wake(s.id, at=at), at, respond):
            yield step
            assert step.decision.subscription is not None
            s = step.decision.subscription
        assert s is not before, "a wake-up that is due changes something"
    raise AssertionError(f"more than {_MOST} appointments until {until}")


def send(s: Subscription | None, message: Message, at: datetime, respond: Respond = paid) -> Iterator[Step]:
    """The decision about a message at ``at`` (UTC), and those that its payments lead to."""
    waiting: list[Message] = [message]
    while waiting:
        message = waiting.pop(0)
        decision = decide(s, message, at)
        s = decision.subscription
        yield Step(at, message, decision)
        for payment in decision.payments:
            if isinstance(payment, CreatePayment):
                reason = respond(payment)
                waiting.append(captured(payment, at) if reason is None else failed(payment, at, reason))


def captured(payment: CreatePayment, at: datetime, *, saves: bool = True, version: int = 2) -> PaymentOutcome:
    """The outcome of a payment that was captured. ``saves``: its page saved the customer's method."""
    saved = f"method of {payment.payment_id}" if payment.save_method and saves else payment.saved_method
    return _outcome_of(payment, at, PaymentStatus.CAPTURED, version, captured=payment.order.amount, method_ref=saved)


def paid_charge(s: Subscription, at: datetime) -> PaymentOutcome:
    """The outcome that pays the open charge of ``s``, by the method that it has or that the payment saves."""
    charge = s.charge
    assert charge is not None, "a charge is open"
    ref = SubscriptionRef(s.id, charge.period, charge.number, charge.purpose)
    method = f"method of {charge.payment_id}" if charge.method_id is None or s.method is None else s.method.ref
    return _outcome(
        ref,
        charge.payment_id,
        charge.provider,
        charge.amount,
        charge.currency,
        at,
        PaymentStatus.CAPTURED,
        charge.payment_version + 1,
        captured=charge.amount,
        method_ref=method,
    )


def failed(payment: CreatePayment, at: datetime, reason: str, *, version: int = 2) -> PaymentOutcome:
    """The outcome of a payment that failed for ``reason`` (docs/reasons.md)."""
    return _outcome_of(payment, at, PaymentStatus.FAILED, version, reason=reason)


def open_still(payment: CreatePayment, at: datetime, state: str = "PENDING", *, version: int = 1) -> PaymentOutcome:
    """The outcome of a payment that is not final. ``state``: of its operation."""
    return _outcome_of(payment, at, PaymentStatus.PENDING, version, operation_state=state)


def refunded(payment: CreatePayment, at: datetime, amount: int, *, version: int = 3) -> PaymentOutcome:
    """The outcome of a captured payment of which ``amount`` minor units, in all, were given back."""
    whole = payment.order.amount
    state = PaymentStatus.REFUNDED if amount == whole else PaymentStatus.PARTIALLY_REFUNDED
    return _outcome_of(payment, at, state, version, captured=whole, refunded=amount)


def charged_back(payment: CreatePayment, at: datetime, amount: int, *, version: int = 3) -> PaymentOutcome:
    """The outcome of a captured payment of which the bank took ``amount`` minor units back."""
    whole = payment.order.amount
    return _outcome_of(payment, at, PaymentStatus.CAPTURED, version, captured=whole, charged_back=amount)


def _outcome_of(
    payment: CreatePayment, at: datetime, state: PaymentStatus, version: int, **facts: Any
) -> PaymentOutcome:
    order = payment.order
    assert order.subscription is not None, "a payment of a subscription"
    return _outcome(
        order.subscription,
        payment.payment_id,
        payment.provider,
        order.amount,
        order.currency,
        at,
        state,
        version,
        **facts,
    )


def _outcome(
    ref: SubscriptionRef,
    payment_id: UUID,
    provider: str,
    amount: int,
    currency: str,
    at: datetime,
    state: PaymentStatus,
    version: int,
    *,
    operation_state: str | None = None,
    reason: str | None = None,
    captured: int = 0,
    refunded: int = 0,
    charged_back: int = 0,
    method_ref: str | None = None,
) -> PaymentOutcome:
    known = None if reason is None else Reason.of(reason)
    return PaymentOutcome(
        subscription_id=ref.id,
        payment_id=payment_id,
        payment_version=version,
        period=ref.period,
        attempt=ref.attempt,
        purpose=ref.purpose,
        state=state,
        operation_state=operation_state or ("FAILED" if reason else "SUCCEEDED"),
        reason=reason,
        kind=None if known is None else known.kind.value,
        help=None if known is None else known.recovery.value,
        retry_after_s=None,
        amount=amount,
        captured=captured,
        refunded=refunded,
        currency=currency,
        provider=provider,
        payment_url=None,
        method_ref=method_ref,
        method_title=None,
        method_expires=None,
        at=at,
        charged_back=charged_back,
    )
