"""Commands of clients, schedulers and operators to an existing payment. Each is accepted, or refused with a code."""

from datetime import datetime

import msgspec

from billing.messages import (
    CapturePayment,
    CorrectPayment,
    ExpirePayment,
    RefundPayment,
    ReplyTo,
    RollbackPayment,
    VoidPayment,
)
from billing.orders import Cart
from billing.payments.abandoned_attempts import finish
from billing.payments.decision import Decision, Draft, answer, refuse
from billing.payments.follow_ups import next_follow_up
from billing.payments.model import Operation, Payment
from billing.payments.provider_requests import build_request
from billing.payments.questions import ask
from billing.payments.refundable_cart import refund_cart
from billing.payments.settlement import succeed, undo
from billing.payments.withdrawal import give_back
from billing.reasons import Reason
from billing.vocabulary import Action, LearntBy, OperationStatus, OperationType, PaymentStatus

_ClientCommand = CapturePayment | VoidPayment | RefundPayment | RollbackPayment

_REFUNDABLE = (PaymentStatus.CAPTURED, PaymentStatus.PARTIALLY_REFUNDED)
#: Code and detail of the refusal while a person has stopped refunds.
_BLOCKED = "refunds_blocked", "refunds of this payment are blocked"


def capture(message: CapturePayment, payment: Payment, now: datetime) -> Decision:
    """Capture the hold, whole or in part."""
    amount = payment.authorized if message.amount is None else message.amount
    if (known := _repeat(payment, message, OperationType.CAPTURE, amount)) is not None:
        return known
    if (refusal := _hold_refusal(payment)) is not None:
        return refuse(payment, payment.id, *refusal, message.reply_to)
    if not 1 <= amount <= payment.authorized:
        detail = f"{amount} cannot be captured of {payment.authorized} authorized"
        return refuse(payment, payment.id, "amount_exceeds_authorized", detail, message.reply_to)
    if amount < payment.authorized and message.cart is None:
        detail = "a partial capture needs the final cart"
        return refuse(payment, payment.id, "cart_required", detail, message.reply_to)
    if message.cart is not None and message.cart.total != amount:
        detail = f"the cart's total {message.cart.total} does not match the amount {amount}"
        return refuse(payment, payment.id, "cart_total_mismatch", detail, message.reply_to)
    operation = _operation(payment, message, OperationType.CAPTURE, Action.CAPTURE, amount, now, cart=message.cart)
    return _start(payment, operation, now, message.reply_to)


def void(message: VoidPayment, payment: Payment, now: datetime) -> Decision:
    """Release the hold."""
    amount = payment.authorized
    if (known := _repeat(payment, message, OperationType.VOID, amount)) is not None:
        return known
    if (refusal := _hold_refusal(payment)) is not None:
        return refuse(payment, payment.id, *refusal, message.reply_to)
    operation = _operation(payment, message, OperationType.VOID, Action.VOID, amount, now, reason=message.reason)
    return _start(payment, operation, now, message.reply_to)


def refund(message: RefundPayment, payment: Payment, now: datetime) -> Decision:
    """Refund captured money. The amount is reserved at once, not when the provider answers."""
    existing = payment.operation(message.operation_id)
    if existing is not None:
        amount = existing.amount if message.amount is None else message.amount
        return _repeat(payment, message, OperationType.REFUND, amount) or Decision(payment)
    if payment.status not in _REFUNDABLE:
        detail = f"a {payment.status} payment has nothing to refund"
        return refuse(payment, payment.id, "not_captured", detail, message.reply_to)
    if payment.refunds_blocked:
        return refuse(payment, payment.id, *_BLOCKED, message.reply_to)
    cart = None
    amount = payment.refundable if message.amount is None else message.amount
    if message.items:
        cart = refund_cart(payment, message.items)
        if cart is None:
            detail = "more units than were sold and not refunded"
            return refuse(payment, payment.id, "items_not_refundable", detail, message.reply_to)
        if message.amount is not None and message.amount != cart.total:
            detail = f"the items come to {cart.total}, not {message.amount}"
            return refuse(payment, payment.id, "cart_total_mismatch", detail, message.reply_to)
        amount = cart.total
    if not 1 <= amount <= payment.refundable:
        detail = f"{amount} cannot be refunded: {payment.refundable} is left"
        return refuse(payment, payment.id, "amount_exceeds_refundable", detail, message.reply_to)
    operation = _operation(
        payment, message, OperationType.REFUND, Action.REFUND, amount, now, cart=cart, reason=message.reason
    )
    return _start(payment, operation, now, message.reply_to)


def rollback(message: RollbackPayment, payment: Payment, now: datetime) -> Decision:
    """Close the payment whatever its state."""
    existing = payment.operation(message.operation_id)
    if existing is not None:
        return _repeat(payment, message, existing.type, existing.amount) or Decision(payment)
    if payment.captured:
        kind, amount = OperationType.REFUND, payment.refundable
    else:
        kind, amount = OperationType.VOID, payment.authorized or payment.order.amount
    over = payment.status not in (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED, *_REFUNDABLE) or amount == 0
    if over:
        detail = f"a {payment.status} payment is closed"
        return refuse(payment, payment.id, "already_closed", detail, message.reply_to)
    if kind is OperationType.REFUND and payment.refunds_blocked:
        return refuse(payment, payment.id, *_BLOCKED, message.reply_to)
    operation = _operation(payment, message, kind, Action.ROLLBACK, amount, now, reason=message.reason)
    return _start(payment, operation, now, message.reply_to)


def expire(_message: ExpirePayment, payment: Payment, now: datetime) -> Decision:
    """Inquire about the order; only the provider's answer closes the payment."""
    if payment.status not in (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED):
        return Decision(payment)
    draft = Draft(payment, now)
    ask(draft, payment.charge)
    return draft.build()


def correct(message: CorrectPayment, payment: Payment, now: datetime) -> Decision:
    """Apply an operator's statement of how an operation ended, and reverse a posting that contradicts it."""
    operation = payment.operation(message.operation_id)
    if operation is None:
        detail = f"the payment has no operation {message.operation_id}"
        return refuse(payment, payment.id, "unknown_operation", detail, message.reply_to)
    wanted = OperationStatus.SUCCESS if message.succeeded else OperationStatus.FAIL
    if operation.status is wanted or message.correction_id in operation.corrections:
        return Decision(payment, reply=answer(payment, message.reply_to), reply_partition=_partition(message.reply_to))
    if (problem := _correction_refusal(payment, operation, succeeded=message.succeeded)) is not None:
        return refuse(payment, payment.id, "correction_impossible", problem, message.reply_to)
    draft = Draft(payment, now, learnt_by=LearntBy.OPERATOR)
    reason = f"{Reason.CORRECTED}: {message.reason}"
    corrections = (*operation.corrections, message.correction_id)
    operation = draft.record_operation(msgspec.structs.replace(operation, corrections=corrections))
    if operation.provider != payment.provider:
        finish(draft, operation)
    elif message.succeeded:
        succeed(draft, operation)
        draft.derive_status()
    elif operation.is_open:
        draft.close(operation, OperationStatus.FAIL, reason)
        draft.derive_status()
    else:
        undo(draft, operation, str(message.correction_id), reason)
    draft.mark(None)  # a person has settled it
    give_back(draft)
    draft.waiting = message.reply_to
    return draft.build()


def _correction_refusal(payment: Payment, operation: Operation, *, succeeded: bool) -> str | None:
    """Why the correction is impossible; ``None`` where it is possible."""
    if operation.provider != payment.provider:
        if succeeded and operation.is_open:
            return None
        return f"the payment moved on from {operation.provider}: only an operation that closes its order there can be corrected"
    return _success_refusal(payment, operation) if succeeded else _failure_refusal(payment, operation)


def _success_refusal(payment: Payment, operation: Operation) -> str | None:
    """Why an operation cannot have succeeded."""
    kind, amount = operation.type, operation.amount
    room = payment.refundable + (amount if operation.is_open else 0)  # an open refund has its amount reserved
    if kind in (OperationType.REFUND, OperationType.CHARGEBACK) and amount > room:
        return f"{amount} is more than the {payment.refundable} refundable"
    if kind is OperationType.CHARGEBACK_UNDONE and amount > payment.charged_back:
        return f"{amount} is more than the {payment.charged_back} charged back"
    if kind is OperationType.CAPTURE and _in_progress(payment, operation, OperationType.CAPTURE):
        return "another capture is in progress: its outcome decides"
    if kind is OperationType.CAPTURE and payment.captured + amount > payment.authorized:
        return f"{amount} more would exceed the {payment.authorized} authorized"
    return None


def _failure_refusal(payment: Payment, operation: Operation) -> str | None:
    """Why an operation cannot have failed."""
    kind, amount = operation.type, operation.amount
    given_back = payment.captured - payment.refundable
    if kind in (OperationType.CAPTURE, OperationType.RECURRING) and not operation.is_open and given_back:
        return "this capture has refunds or chargebacks: correct those first"
    if kind is OperationType.CHARGEBACK and amount > payment.charged_back:
        return "money of this chargeback came back: correct that first"
    if kind is OperationType.CHARGEBACK_UNDONE and amount > payment.refundable:
        return f"{amount} is more than the {payment.refundable} that is left"
    closing = _in_progress(payment, operation, OperationType.CAPTURE, OperationType.VOID)
    if kind is OperationType.AUTHORIZE and (payment.captured or closing):
        return "this authorization has a capture or a void: correct that first"
    return None


def _in_progress(payment: Payment, operation: Operation, *types: OperationType) -> bool:
    """Whether another operation of these types is not final."""
    return any(o.type in types and o.is_open and o.id != operation.id for o in payment.standing)


def _hold_refusal(payment: Payment) -> tuple[str, str] | None:
    """Code and detail of why the hold cannot be captured or voided now; ``None`` where it can."""
    if payment.status is not PaymentStatus.AUTHORIZED:
        return "not_authorized", f"a {payment.status} payment has no hold"
    for operation in payment.standing:
        if operation.type in (OperationType.CAPTURE, OperationType.VOID) and operation.is_open:
            if operation.status is OperationStatus.UNKNOWN:
                return "outcome_unknown", f"the outcome of {operation.type} {operation.id} is not known yet"
            return "operation_in_progress", f"{operation.type} {operation.id} is in progress"
    return None


def _repeat(payment: Payment, message: _ClientCommand, kind: OperationType, amount: int) -> Decision | None:
    """The reply to a repeated command; ``None`` for a new one."""
    existing = payment.operation(message.operation_id)
    if existing is None:
        return None
    if message.fingerprint is not None and existing.fingerprint is not None:
        same = message.fingerprint == existing.fingerprint
    else:
        same = existing.type is kind and (existing.amount == amount or not existing.is_open)
    if not same:
        detail = "this Idempotency-Key was used before for another operation"
        return refuse(payment, payment.id, "idempotency_key_reused", detail, message.reply_to)
    reply_to = message.reply_to
    return Decision(payment, reply=answer(payment, reply_to), reply_partition=_partition(reply_to))


def _operation(
    payment: Payment,
    message: _ClientCommand,
    type: OperationType,
    action: Action,
    amount: int,
    now: datetime,
    *,
    cart: Cart | None = None,
    reason: str | None = None,
) -> Operation:
    return Operation(
        id=message.operation_id,
        type=type,
        action=action,
        status=OperationStatus.PENDING,
        amount=amount,
        provider=payment.provider,
        created_at=now,
        updated_at=now,
        reason=reason,
        next_follow_up_at=next_follow_up(None, 0, now),
        cart=cart,
        fingerprint=message.fingerprint,
    )


def _start(payment: Payment, operation: Operation, now: datetime, reply_to: ReplyTo | None) -> Decision:
    """Record the attempt and request the provider call. The reply follows the provider's answer."""
    draft = Draft(payment, now)
    operation = draft.record_operation(operation)
    draft.requests.append(build_request(draft.payment, operation, operation.action, reply_to))
    return draft.build()


def _partition(reply_to: ReplyTo | None) -> int:
    return 0 if reply_to is None else reply_to.partition
