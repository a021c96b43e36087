"""What a provider says of an order, applied to our payment: callbacks, inquiries and answers alike.

Evidence converges: the same observation twice, or an old one after a newer, changes nothing.
"""

from uuid import uuid5

from billing import ledger
from billing.decision import Draft
from billing.messages import Observation, ObservedOperation
from billing.payment import Operation
from billing.transitions import Fact
from billing.vocabulary import CaptureMode, OperationStatus, OperationType, PaymentStatus


def apply_observation(draft: Draft, observed: Observation) -> None:
    """Take in what the provider says: its operations first, then the status of the order."""
    for operation in observed.operations:
        _apply_operation(draft, operation)
    match observed.status:
        case PaymentStatus.AUTHORIZED:
            authorize(draft)
        case PaymentStatus.CAPTURED:
            authorize(draft)
            capture(draft)
        case PaymentStatus.FAILED:
            fail(draft, observed.reason)
        case _:
            pass


def authorize(draft: Draft) -> None:
    """The customer's money is held (or taken)."""
    operation = _last_authorize(draft)
    if operation.status is not OperationStatus.SUCCESS:
        draft.close(operation, OperationStatus.SUCCESS)
    if draft.payment.authorized == 0:
        draft.set(authorized=operation.amount, reason=None)
        draft.move(Fact.AUTHORIZED)


def capture(draft: Draft) -> None:
    """The customer's money is ours: finish the capture under way, or record the one the provider made by itself."""
    payment = draft.payment
    if payment.captured:
        return
    operation = payment.open_operation(OperationType.CAPTURE)
    if operation is None:
        operation = Operation(
            id=uuid5(payment.id, "capture/provider"),
            type=OperationType.CAPTURE,
            status=OperationStatus.PENDING,
            amount=payment.authorized,
            created_at=draft.now,
            updated_at=draft.now,
        )
    settle_capture(draft, operation)


def settle_capture(draft: Draft, operation: Operation) -> None:
    """A capture succeeded: count it, post it."""
    draft.close(operation, OperationStatus.SUCCESS)
    draft.set(captured=draft.payment.captured + operation.amount)
    draft.move(Fact.CAPTURED)
    payment = draft.payment
    draft.postings.append(
        ledger.capture(operation.id, payment.provider, operation.amount, payment.order.currency, draft.now)
    )


def fail(draft: Draft, reason: str | None) -> None:
    """The provider gave the payment up before any money moved."""
    if draft.payment.authorized:
        return
    operation = _last_authorize(draft)
    if operation.is_open:
        draft.close(operation, OperationStatus.FAIL, reason or "declined")
    if draft.move(Fact.FAILED):
        draft.set(reason=reason or "declined")


def _apply_operation(draft: Draft, observed: ObservedOperation) -> None:
    # In one stage the provider captures by itself; what it then says of single operations follows from the
    # status of the order, which comes with a callback of its own.
    if draft.payment.capture_mode is CaptureMode.ONE_STAGE or observed.operation_id is None:
        return
    operation = draft.payment.operation(observed.operation_id)
    if operation is None or not operation.is_open:
        return
    if observed.status is OperationStatus.FAIL:
        draft.close(operation, OperationStatus.FAIL, observed.reason)
    elif observed.status is OperationStatus.SUCCESS and operation.type is OperationType.CAPTURE:
        authorize(draft)
        settle_capture(draft, operation)


def _last_authorize(draft: Draft) -> Operation:
    return next(o for o in reversed(draft.payment.operations) if o.type is OperationType.AUTHORIZE)
