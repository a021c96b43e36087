"""The conditions of a person's command: the payment is still the one that they saw, and its approval is another person's."""

from typing import TypeAlias

from billing.messages import (
    NOT_OF_ANOTHER,
    AmendPayment,
    CapturePayment,
    CorrectPayment,
    RefundPayment,
    RollbackPayment,
    VoidPayment,
)
from billing.payments.amendment import amended
from billing.payments.model import Payment

Guarded: TypeAlias = CapturePayment | VoidPayment | RefundPayment | RollbackPayment | CorrectPayment | AmendPayment


def guard_refusal(message: Guarded, payment: Payment) -> tuple[str, str] | None:
    """Code and detail of why a command is not carried out as it stands; ``None`` where its conditions hold. One that was
    carried out already is a repeat, at whatever version."""
    approval = message.approval
    if approval is not None and not approval.is_of_another(message.operator):
        return "approval_invalid", NOT_OF_ANOTHER
    if message.if_version in (None, payment.version) or _is_repeat(message, payment):
        return None
    return "version_changed", f"the payment is at version {payment.version}, the command is for {message.if_version}"


def _is_repeat(message: Guarded, payment: Payment) -> bool:
    if isinstance(message, AmendPayment):
        return not message.redrive and amended(message, payment) == payment
    operation = payment.operation(message.operation_id)
    if isinstance(message, CorrectPayment):
        return operation is not None and message.correction_id in operation.corrections
    return operation is not None
