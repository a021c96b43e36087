"""The dry run of one row: what the payment would decide now, by the function that will decide. Pure."""

from datetime import datetime
from typing import Final
from uuid import UUID

from billing.errors import BillingError, InvalidMoney
from billing.messages import Approval, RefundPayment
from billing.money import from_typed
from billing.payments.decide import decide
from billing.payments.model import Payment
from storage.bulk.rows import Row, RowState, Verdict

#: Codes of refusals that are not the payment's own.
NOT_FOUND: Final = "payment_not_found"
INVALID_AMOUNT: Final = "invalid_amount"
IN_ANOTHER_JOB: Final = "in_another_job"
NOT_DECIDED: Final = "not_decided"


def refund_of(row: Row, amount: int, version: int, operator: str, approval: Approval | None = None) -> RefundPayment:
    """The command of a row: the same in the dry run and whenever it is sent. ``amount``: minor units; ``version``: of the
    payment in the dry run; where it has moved on since, nobody approved what would happen, and it refuses."""
    assert row.payment_id is not None
    return RefundPayment(
        row.payment_id, row.operation_id, row.reason, amount, operator=operator, if_version=version, approval=approval
    )


def judge(row: Row, payment: Payment | None, elsewhere: UUID | None, operator: str, now: datetime) -> Verdict:
    """What would follow from the row at ``now`` (UTC). ``elsewhere``: another job that has the payment and has not refunded
    it yet."""
    if payment is None:
        return _refused(row, NOT_FOUND, "there is no payment with this id")
    if elsewhere is not None:
        return _refused(
            row, IN_ANOTHER_JOB, f"the payment is in the bulk job {elsewhere}, which has not refunded it yet"
        )
    currency = payment.order.currency
    try:
        amount = from_typed(row.typed, currency) if row.typed else payment.refundable
    except InvalidMoney as error:
        return _refused(row, INVALID_AMOUNT, f"{error}; the payment is in {currency}")
    try:
        refusal = decide(payment, refund_of(row, amount, payment.version, operator), now).refusal
    except BillingError as error:  # a payment whose books contradict themselves stops its own row, not the others
        return _refused(row, NOT_DECIDED, str(error))
    return Verdict(
        number=row.number,
        state=RowState.WAITING if refusal is None else RowState.REFUSED,
        code=None if refusal is None else refusal.code,
        detail=None if refusal is None else refusal.detail,
        payment_version=payment.version,
        amount=amount,
        currency=currency,
    )


def _refused(row: Row, code: str, detail: str) -> Verdict:
    return Verdict(number=row.number, state=RowState.REFUSED, code=code, detail=detail)
