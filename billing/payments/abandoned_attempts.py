"""Orders abandoned by failover. Money that a provider still holds or takes for them is released or refunded.

A call that counted as not sent may have been sent by a worker that was thought dead, and a provider may revise a
decline. So a callback from an abandoned provider makes us ask it, and its answer is applied: an open order is closed, a
hold is released, captured money is recorded (a CAPTURE at that provider) and refunded (a REFUND at that provider). The
payment's amounts are those at its present provider and do not change.
"""

from uuid import UUID, uuid5

import msgspec

from billing.errors import InvalidMessage
from billing.ledger import postings
from billing.messages import Observation, ProviderResult
from billing.payments.decision import Draft
from billing.payments.follow_ups import next_follow_up
from billing.payments.model import Operation, Payment
from billing.payments.provider_requests import build_request
from billing.payments.questions import answered, note_outcome, unanswered
from billing.reasons import Reason
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus

CLOSED = (PaymentStatus.FAILED, PaymentStatus.VOIDED, PaymentStatus.REFUNDED, PaymentStatus.EXPIRED)
FUNDED = (PaymentStatus.CAPTURED, PaymentStatus.PARTIALLY_REFUNDED)


def is_abandoned(payment: Payment, provider: str) -> bool:
    """Whether the payment has an order at this provider from before it moved on."""
    return provider != payment.provider and any(o.provider == provider for o in payment.operations)


def order_of(payment: Payment, provider: str) -> Operation:
    """The operation that opened the abandoned order."""
    return next(o for o in payment.operations if o.provider == provider)


def apply_evidence(draft: Draft, provider: str, observed: Observation) -> None:
    """Apply the provider's answer about the abandoned order. A repeated or late one changes nothing."""
    opened = order_of(draft.payment, provider)
    currency = draft.payment.order.currency
    if observed.currency not in (None, currency):
        draft.mark(f"the currency is {observed.currency} at {provider}, {currency} here")
        return
    if observed.order_ref is not None:
        opened = _name(draft, opened, observed.order_ref)
        if observed.order_ref != opened.provider_ref:
            opened = _second_order(draft, opened, observed.order_ref, observed.status)
            if opened.provider_ref != observed.order_ref:
                return
    if observed.status in CLOSED:
        _close(draft, opened)
    elif observed.status in FUNDED:
        _refund(draft, opened, opened.amount if observed.captured is None else observed.captured)
    elif observed.status is not None:
        _request_closing(draft, opened, OperationType.VOID)


def call_ended(draft: Draft, operation: Operation, message: ProviderResult) -> None:
    """Apply the result of a call to the abandoned provider: one that was in progress when the payment moved on, or one
    that closes the order."""
    opened = order_of(draft.payment, operation.provider)
    if message.action is Action.CREATE and message.provider_ref is not None:
        opened = _name(draft, opened, message.provider_ref)
    if message.action is Action.ROLLBACK and operation.is_open:
        _rolled_back(draft, operation, message)
    elif message.action is Action.CREATE and message.outcome not in (Outcome.NOT_SENT, Outcome.DECLINED):
        _request_closing(draft, opened, OperationType.VOID)
    if message.observed is not None:
        apply_evidence(draft, operation.provider, message.observed)
    still = draft.payment.operation(operation.id)
    if message.action is Action.INQUIRE and still is not None:
        if message.outcome is not Outcome.SUCCEEDED or message.observed is None:
            unanswered(draft, still, message.outcome, message.reason, message.retry_after_s)
            return
        still = answered(draft, still, None, unfinished=False)
        if message.observed.status is None and still.type is OperationType.VOID:
            finish(draft, still)  # the provider has no such order
        else:
            _resend_unknown(draft, still)


def finish(draft: Draft, operation: Operation) -> None:
    """The order is closed, or its money refunded."""
    if operation.status is OperationStatus.SUCCESS:
        return
    draft.close(operation, OperationStatus.SUCCESS, Reason.PAYMENT_MOVED_ON)
    if operation.type is OperationType.REFUND:
        currency = draft.payment.order.currency
        draft.postings.append(postings.refund(operation.id, operation.provider, operation.amount, currency, draft.now))


def _close(draft: Draft, opened: Operation) -> None:
    for type in (OperationType.VOID, OperationType.REFUND):
        operation = draft.payment.operation(_id(opened, type))
        if operation is not None and operation.is_open:
            finish(draft, operation)


def _refund(draft: Draft, opened: Operation, amount: int) -> None:
    capture_id = _id(opened, OperationType.CAPTURE)
    if draft.payment.operation(capture_id) is None:
        capture = _operation(draft, opened, OperationType.CAPTURE, Action.INQUIRE, amount)
        draft.close(capture, OperationStatus.SUCCESS)
        currency = draft.payment.order.currency
        draft.postings.append(postings.capture(capture_id, opened.provider, amount, currency, draft.now))
    void = draft.payment.operation(_id(opened, OperationType.VOID))
    if void is not None and void.is_open:
        draft.close(void, OperationStatus.FAIL, Reason.PAID_MEANWHILE)
    _request_closing(draft, opened, OperationType.REFUND)


def _taken(draft: Draft, opened: Operation) -> Operation | None:
    """What the provider took for the abandoned order, if anything."""
    return draft.payment.operation(_id(opened, OperationType.CAPTURE))


def _request_closing(draft: Draft, opened: Operation, type: OperationType) -> None:
    """Request the operation once; the follow-up schedule repeats it. A captured order cannot be voided any more."""
    taken = _taken(draft, opened)
    if draft.payment.operation(_id(opened, type)) is not None or (taken is not None and type is OperationType.VOID):
        return
    amount = opened.amount if taken is None else taken.amount
    operation = draft.record_operation(_operation(draft, opened, type, Action.ROLLBACK, amount))
    draft.requests.append(build_request(draft.payment, operation, Action.ROLLBACK))


def _rolled_back(draft: Draft, operation: Operation, message: ProviderResult) -> None:
    if message.outcome is Outcome.SUCCEEDED:
        finish(draft, operation)
        return
    # A provider's refusal to close an order is no evidence about its money: follow up until the order is closed.
    outcome = Outcome.PENDING if message.outcome is Outcome.DECLINED else message.outcome
    operation = note_outcome(draft, operation, outcome, message.reason, wait_s=message.retry_after_s)
    if message.reason is not None:
        draft.record_operation(msgspec.structs.replace(operation, reason=message.reason))


def _resend_unknown(draft: Draft, operation: Operation) -> None:
    """The provider answered and the order is not closed: a call to close it whose outcome was unknown did not work, and
    is sent again with the same key."""
    if operation.status is OperationStatus.UNKNOWN:
        again = next_follow_up(Outcome.NOT_SENT, 0, draft.now)
        draft.record_operation(
            msgspec.structs.replace(
                operation, status=OperationStatus.PENDING, outcome=Outcome.NOT_SENT, next_follow_up_at=again
            )
        )


def _name(draft: Draft, opened: Operation, order_ref: str) -> Operation:
    if opened.provider_ref is not None:
        return opened
    return draft.record_operation(msgspec.structs.replace(opened, provider_ref=order_ref))


def _second_order(draft: Draft, opened: Operation, order_ref: str, status: PaymentStatus | None) -> Operation:
    """A second order for the same operation, left by a call whose answer was lost. It replaces the first if it was paid."""
    if status not in FUNDED:
        return opened
    if _taken(draft, opened) is not None:
        raise InvalidMessage(f"{draft.payment.id} was paid as {opened.provider_ref}, and again as {order_ref}")
    return draft.record_operation(msgspec.structs.replace(opened, provider_ref=order_ref))


def _operation(draft: Draft, opened: Operation, type: OperationType, action: Action, amount: int) -> Operation:
    return Operation(
        id=_id(opened, type),
        type=type,
        action=action,
        status=OperationStatus.PENDING,
        amount=amount,
        provider=opened.provider,
        reason=Reason.PAYMENT_MOVED_ON,
        created_at=draft.now,
        updated_at=draft.now,
        next_follow_up_at=next_follow_up(None, 0, draft.now),
    )


def _id(opened: Operation, type: OperationType) -> UUID:
    return uuid5(opened.id, f"left/{type}")
