"""A provider's view of an order, from a callback, an inquiry or an answer, applied to the payment.

Evidence converges: the same observation twice, or an old one after a newer, changes nothing.
"""

from billing.errors import InvalidMessage
from billing.messages import Observation, ObservedOperation, ProviderReason
from billing.payments.decision import Draft
from billing.payments.settlement import charge_operation, fail, provider_initiated_operation, succeed
from billing.reasons import Reason
from billing.vocabulary import Action, OperationStatus, OperationType, PaymentStatus


def apply_observation(draft: Draft, observed: Observation) -> None:
    """Apply an observation: its operations first, then the status of the order."""
    if observed.order_ref is not None and not _is_ours(draft, observed.order_ref, observed):
        return
    if observed.method_ref is not None and draft.payment.save_method and draft.payment.method_ref is None:
        draft.update(method_ref=observed.method_ref)
    for operation in observed.operations:
        _operation(draft, operation)
    match observed.status:
        case PaymentStatus.AUTHORIZED:
            _authorized(draft)
        case PaymentStatus.CAPTURED:
            _captured(draft)
        case PaymentStatus.VOIDED:
            _voided(draft)
        case PaymentStatus.FAILED:
            _failed(draft, observed.reason or Reason.DECLINED, observed.provider_reason)
        case PaymentStatus.REFUNDED:
            _refunded(draft, Reason.REFUNDED_AT_PROVIDER)
        case _:
            # PENDING and EXPIRED are no evidence about money; PARTIALLY_REFUNDED does not name the refund: the
            # provider's operations do.
            pass


def _is_ours(draft: Draft, order_ref: str, observed: Observation) -> bool:
    """Whether the observation is about the payment's order.

    Where opening is not idempotent at a provider, a call whose answer was lost leaves a second order for the same
    operation, whose page no customer has. Its expiry is no evidence about the payment's order. If money was taken by
    it, it becomes the payment's order.
    """
    opened = charge_operation(draft)
    draft.name_order(opened, order_ref)
    if order_ref == draft.payment.order_ref:
        return True
    if observed.status not in (PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED):
        return False
    if draft.payment.authorized:
        raise InvalidMessage(f"{draft.payment.id} is paid as {draft.payment.order_ref}, and again as {order_ref}")
    draft.rename_order(opened, order_ref)
    return True


def _authorized(draft: Draft) -> None:
    if draft.payment.authorized == 0:
        succeed(draft, charge_operation(draft))


def _captured(draft: Draft) -> None:
    _authorized(draft)
    payment = draft.payment
    if payment.captured:
        return
    operation = payment.open_operation(OperationType.CAPTURE)
    if operation is None:
        operation = provider_initiated_operation(
            draft, OperationType.CAPTURE, payment.authorized, Reason.CAPTURED_BY_PROVIDER
        )
    succeed(draft, operation)


def _voided(draft: Draft) -> None:
    payment = draft.payment
    if payment.status not in (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED):
        return
    if payment.authorized == 0:
        fail(draft, charge_operation(draft), Reason.VOIDED)
        return
    operation = payment.open_operation(OperationType.VOID)
    if operation is None:
        operation = provider_initiated_operation(draft, OperationType.VOID, payment.authorized, Reason.HOLD_RELEASED)
    _close_captures(draft, Reason.VOIDED)
    succeed(draft, operation)


def _failed(draft: Draft, reason: str, provider_reason: ProviderReason | None) -> None:
    """The order was declined, or rolled back: a hold is released, captured money is refunded."""
    payment = draft.payment
    if payment.authorized and not payment.captured:
        _voided(draft)
        return
    _close_rollbacks(draft)
    if payment.captured:
        _refunded(draft, Reason.ROLLED_BACK)
    else:
        fail(draft, charge_operation(draft), reason, provider_reason)


def _refunded(draft: Draft, reason: str) -> None:
    """All money was refunded: every open refund is done, and the provider refunded the rest without us."""
    if draft.payment.captured == 0:
        return
    for operation in draft.payment.standing:
        if operation.type is OperationType.REFUND and operation.is_open:
            succeed(draft, operation)
    if left := draft.payment.refundable:
        succeed(draft, provider_initiated_operation(draft, OperationType.REFUND, left, reason))


def _operation(draft: Draft, observed: ObservedOperation) -> None:
    """One of our operations, named by its id. A provider is no evidence for an operation at another one."""
    operation = None if observed.operation_id is None else draft.payment.operation(observed.operation_id)
    if operation is None or operation.provider != draft.payment.provider or not operation.is_open:
        return
    if observed.status is OperationStatus.FAIL:
        fail(draft, operation, observed.reason or Reason.DECLINED, observed.provider_reason)
    elif observed.status is OperationStatus.SUCCESS:
        succeed(draft, operation)


def _close_captures(draft: Draft, reason: str) -> None:
    while (operation := draft.payment.open_operation(OperationType.CAPTURE)) is not None:
        fail(draft, operation, reason)


def _close_rollbacks(draft: Draft) -> None:
    """The rollback of an unpaid order is done: the order is closed, and a payment made meanwhile is refunded."""
    for operation in draft.payment.standing:
        if operation.type is OperationType.VOID and operation.action is Action.ROLLBACK and operation.is_open:
            draft.close(operation, OperationStatus.SUCCESS)
