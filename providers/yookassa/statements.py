"""YooKassa's lists of payments and refunds as statements."""

from typing import Final

import msgspec

from providers.base import own_id
from providers.statements import LineKind, StatementLine
from providers.yookassa.requests import OPERATION
from providers.yookassa.responses import Amount, Moment, Refund

PAYMENTS: Final = "payments"
REFUNDS: Final = "refunds"
#: The status of a captured payment, and of a refund that is done.
SUCCEEDED: Final = "succeeded"


class _Type(msgspec.Struct):
    type: str | None = None


class CapturedPayment(msgspec.Struct):
    """A payment in the list by time of capture. ``status``: any, so that one we do not know loses no day."""

    id: str
    status: str
    amount: Amount
    captured_at: Moment
    income_amount: Amount | None = None
    payment_method: _Type | None = None
    metadata: dict[str, str | None] | None = None
    test: bool = False


def charge_line(payment: CapturedPayment) -> StatementLine:
    """A capture: of a part, ``amount`` is what was taken. The fee is the part that does not reach us, tax included."""
    amount, income = payment.amount.minor, payment.income_amount
    return StatementLine(
        kind=LineKind.CHARGE if payment.status == SUCCEEDED else LineKind.OTHER,
        line_ref=payment.id,
        amount=amount,
        currency=payment.amount.currency,
        at=payment.captured_at,
        own_id=own_id((payment.metadata or {}).get(OPERATION)),
        order_ref=payment.id,
        provider_ref=payment.id,
        fee=None if income is None else amount - income.minor,
        method=None if payment.payment_method is None else payment.payment_method.type,
        status=payment.status,
        raw_type="payment",
        test=payment.test,
    )


def refund_line(refund: Refund) -> StatementLine:
    """A refund that succeeded. It has the time of the request, not of the end. No fee comes back with it."""
    return StatementLine(
        kind=LineKind.REFUND,
        line_ref=refund.id,
        amount=-refund.amount.minor,
        currency=refund.amount.currency,
        at=refund.created_at,
        own_id=own_id((refund.metadata or {}).get(OPERATION)),
        order_ref=refund.payment_id,
        provider_ref=refund.id,
        fee=0,
        status=refund.status,
        raw_type="refund",
    )
