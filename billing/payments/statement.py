"""What a line of a provider's statement proves about a payment: movements made by hand, undone refunds, chargebacks.

Each message books one line, once. What would break the payment's amounts is refused, and the line stays a discrepancy
for clearing: in another order of the lines the same message is accepted later.
"""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

import msgspec

from billing.messages import RecordChargeback, RecordMovement, UndoRefund
from billing.payments.decision import Decision, Draft, answer, refuse
from billing.payments.model import Operation, Payment
from billing.payments.settlement import succeed, undo
from billing.payments.withdrawal import give_back
from billing.reasons import Reason
from billing.vocabulary import Action, LearntBy, OperationStatus, OperationType

#: Why a line is not booked: the code of the refusal.
IMPOSSIBLE: Final = "movement_impossible"


def record_movement(message: RecordMovement, payment: Payment, now: datetime) -> Decision:
    """Book a capture or a refund that was made by hand, on an operator's word."""
    kind = OperationType(message.type)
    id = line_operation_id(payment.id, message.provider, message.line, kind)
    if payment.operation(id) is not None or _is_booked(payment, message):
        reply_to = message.reply_to
        partition = 0 if reply_to is None else reply_to.partition
        return Decision(payment, reply=answer(payment, reply_to), reply_partition=partition)
    if (problem := _movement_problem(payment, message)) is not None:
        return refuse(payment, payment.id, IMPOSSIBLE, problem, message.reply_to)
    operation = _operation(payment, message, id, kind, now)
    draft = Draft(payment, now, learnt_by=LearntBy.OPERATOR, occurred_at=message.at)
    draft.waiting = message.reply_to
    succeed(
        draft,
        msgspec.structs.replace(
            operation,
            provider_ref=message.provider_ref,
            reason=f"{Reason.CORRECTED}: {message.reason}",
            corrections=(id,),
        ),
    )
    draft.mark(None)  # a person has settled it
    give_back(draft)
    return draft.build()


def undo_refund(message: UndoRefund, payment: Payment, now: datetime) -> Decision:
    """Reverse a refund that the provider undid. The provider's answers do not overrule it: some list an undone refund
    for ever."""
    operation = payment.operation(message.operation_id)
    if operation is None or operation.type is not OperationType.REFUND or operation.provider != message.provider:
        detail = f"the payment has no refund {message.operation_id} at {message.provider}"
        return refuse(payment, payment.id, "unknown_operation", detail, None)
    undone = uuid5(operation.id, f"undone/{message.line}")
    if undone in operation.corrections:
        return Decision(payment)
    if (problem := _undo_problem(payment, operation, message)) is not None:
        return refuse(payment, payment.id, IMPOSSIBLE, problem, None)
    draft = Draft(payment, now, learnt_by=LearntBy.STATEMENT, occurred_at=message.at)
    operation = draft.record_operation(msgspec.structs.replace(operation, corrections=(*operation.corrections, undone)))
    if operation.status is OperationStatus.SUCCESS:
        undo(draft, operation, str(undone), Reason.UNDONE_AT_PROVIDER)
    give_back(draft)
    return draft.build()


def record_chargeback(message: RecordChargeback, payment: Payment, now: datetime) -> Decision:
    """Book what the bank took back for the customer, or returned."""
    kind = OperationType.CHARGEBACK_UNDONE if message.undone else OperationType.CHARGEBACK
    id = line_operation_id(payment.id, message.provider, message.line, kind)
    if payment.operation(id) is not None:
        return Decision(payment)
    left = payment.charged_back if message.undone else payment.refundable
    problem = _problem(
        payment, message, left, "charged back" if message.undone else "neither refunded nor charged back"
    )
    if problem is not None:
        return refuse(payment, payment.id, IMPOSSIBLE, problem, None)
    draft = Draft(payment, now, learnt_by=LearntBy.STATEMENT, occurred_at=message.at)
    operation = _operation(payment, message, id, kind, now)
    succeed(draft, msgspec.structs.replace(operation, provider_ref=message.case))
    give_back(draft)
    return draft.build()


def _is_booked(payment: Payment, message: RecordMovement) -> bool:
    """Whether the movement is booked already, by the provider's own id: an answer showed it."""
    return any(
        _has_ref(o, message) and o.amount == message.amount and o.status is OperationStatus.SUCCESS
        for o in payment.standing
    )


def _movement_problem(payment: Payment, message: RecordMovement) -> str | None:
    """Why a movement cannot be booked; ``None`` where it can."""
    if (same := next((o for o in payment.standing if _has_ref(o, message)), None)) is not None:
        return f"{message.provider_ref} is {same.type} {same.id} of {same.amount}, which is {same.status}: correct that"
    if message.type == OperationType.REFUND:
        return _problem(payment, message, payment.refundable, "refundable")
    if payment.charge.type is OperationType.RECURRING:
        return f"the charge of a saved method captures by itself: correct {payment.charge.id}"
    if payment.captured:
        return f"{payment.captured} are captured already"
    if payment.open_operation(OperationType.CAPTURE) is not None:
        return "another capture is in progress: its outcome decides"
    return _problem(payment, message, payment.authorized or payment.charge.amount, "authorized")


def _undo_problem(payment: Payment, refund: Operation, message: UndoRefund) -> str | None:
    """Why a refund is not undone; ``None`` where it is."""
    if refund.is_open:
        return f"the refund is {refund.status}: it has not succeeded here yet"
    if message.amount != refund.amount:
        return f"{message.amount} of {refund.amount} came back: only a whole refund is undone"
    return _problem(payment, message, refund.amount, "refunded")


def _problem(
    payment: Payment, message: RecordMovement | UndoRefund | RecordChargeback, left: int, what: str
) -> str | None:
    if message.provider != payment.provider:
        return f"the payment is at {payment.provider}, not at {message.provider}"
    if not 1 <= message.amount <= left:
        return f"{message.amount} is more than the {left} {what}"
    return None


def _has_ref(operation: Operation, message: RecordMovement) -> bool:
    named = operation.provider_ref is not None and operation.provider_ref == message.provider_ref
    return named and operation.type == message.type


def line_operation_id(payment_id: UUID, provider: str, line: str, kind: OperationType) -> UUID:
    """The id of the operation that is made for a line."""
    return uuid5(payment_id, f"{kind}/{provider}/line/{line}")


def _operation(
    payment: Payment, message: RecordMovement | RecordChargeback, id: UUID, kind: OperationType, now: datetime
) -> Operation:
    return Operation(
        id=id,
        type=kind,
        action=Action.INQUIRE,
        status=OperationStatus.PENDING,
        amount=message.amount,
        provider=payment.provider,
        created_at=now,
        updated_at=now,
    )
