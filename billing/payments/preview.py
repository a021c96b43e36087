"""What a command would do, before anybody sends it: decided by :func:`~billing.payments.decide.decide` itself.

A preview has no times and no ids of what does not exist yet, so that two previews of the same consequences are equal.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from billing.messages import PaymentMessage, ProviderRequest, ProviderResult, Refusal
from billing.messages.event_parts import EntryView
from billing.payments.decide import decide
from billing.payments.decision import Decision
from billing.payments.entitlement import entitled
from billing.payments.model import Payment
from billing.reasons import Reason
from billing.signals import Access, signals_for
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus


class Amounts(msgspec.Struct, frozen=True):
    """The amounts of a payment, minor units of its currency. ``reserved``: by refunds that are not final."""

    authorized: int
    captured: int
    refunded: int
    reserved: int
    charged_back: int
    refundable: int


class Standing(msgspec.Struct, frozen=True):
    """A payment at one moment. ``access``: the products that it entitles its customer to."""

    status: PaymentStatus
    amounts: Amounts
    access: tuple[str, ...]
    refunds_blocked: bool = False


class SignalView(msgspec.Struct, frozen=True):
    """A signal that will be sent. ``products``: those whose access it opens or closes."""

    routing_key: str
    products: tuple[str, ...] = ()


class RequestView(msgspec.Struct, frozen=True):
    """A call to a provider. ``amount``: minor units."""

    provider: str
    action: Action
    type: OperationType
    amount: int


class Course(msgspec.Struct, frozen=True):
    """One way that things can go from now on. ``after``: the payment then; ``operation``: how the operation of the command
    ended; ``postings``: the ledger's, in order; ``tells_subscription``: the payment's subscription decides further."""

    after: Standing
    operation: OperationStatus | None
    postings: tuple[tuple[EntryView, ...], ...]
    signals: tuple[SignalView, ...]
    requests: tuple[RequestView, ...]
    tells_subscription: bool


class Preview(msgspec.Struct, frozen=True):
    """What follows from a command. ``refusal``: nothing, and why. ``at_once``: with the command itself; ``on_success`` and
    ``on_decline``: in all, once the provider has answered, ``None`` where it is not asked to do anything."""

    before: Standing
    refusal: Refusal | None
    at_once: Course
    on_success: Course | None
    on_decline: Course | None


def preview(payment: Payment, command: PaymentMessage, now: datetime) -> Preview:
    """What ``command`` would do to ``payment`` at ``now`` (UTC). Raises what ``decide`` raises."""
    decision = decide(payment, command, now)
    request = next((r for r in decision.requests if r.action is not Action.INQUIRE), None)
    answered = decision.payment is not None and request is not None
    return Preview(
        before=standing(payment),
        refusal=decision.refusal,
        at_once=_course(payment, [decision]),
        on_success=_answered(payment, decision, request, Outcome.SUCCEEDED, now) if answered else None,
        on_decline=_answered(payment, decision, request, Outcome.DECLINED, now) if answered else None,
    )


def standing(payment: Payment) -> Standing:
    """The payment as a preview shows it."""
    amounts = Amounts(
        payment.authorized,
        payment.captured,
        payment.refunded,
        payment.refund_pending,
        payment.charged_back,
        payment.refundable,
    )
    return Standing(payment.status, amounts, entitled(payment), payment.refunds_blocked)


def _answered(
    payment: Payment, first: Decision, request: ProviderRequest | None, outcome: Outcome, now: datetime
) -> Course:
    """The course of things where the provider answers the request with this outcome, and states no amounts."""
    assert first.payment is not None
    assert request is not None
    result = ProviderResult(
        payment.id,
        request.operation_id,
        request.provider,
        request.action,
        outcome,
        reason=Reason.DECLINED if outcome is Outcome.DECLINED else None,
        books=request.books,
    )
    return _course(payment, [first, decide(first.payment, result, now)])


def _course(payment: Payment, decisions: Sequence[Decision]) -> Course:
    after = decisions[-1].payment or payment
    touched = next((o.id for d in decisions for o in d.operations), None)
    operation = None if touched is None else after.operation(touched)
    events = [d.event for d in decisions if d.event is not None]
    return Course(
        after=standing(after),
        operation=None if operation is None else operation.status,
        postings=tuple(posting.entries for event in events for posting in event.postings),
        signals=tuple(
            SignalView(s.routing_key, s.body.products if isinstance(s.body, Access) else ())
            for event in events
            for s in signals_for(event)
        ),
        requests=tuple(_request(after, request) for d in decisions for request in d.requests),
        tells_subscription=any(d.outcome is not None for d in decisions),
    )


def _request(payment: Payment, request: ProviderRequest) -> RequestView:
    operation = payment.operation(request.operation_id)
    assert operation is not None
    return RequestView(request.provider, request.action, operation.type, request.amount)
