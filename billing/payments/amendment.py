"""What a person may change of a payment beside its money: contact, metadata, whether refunds are blocked."""

from datetime import datetime

import msgspec

from billing.messages import AmendPayment
from billing.messages.event_parts import Entitlement
from billing.orders import ACCESS_UNTIL
from billing.payments.decision import Decision, Draft, answer, refuse
from billing.payments.entitlement import entitled
from billing.payments.model import Payment
from billing.payments.refundable_cart import sold_cart


def amend(message: AmendPayment, payment: Payment, now: datetime) -> Decision:
    """Apply an amendment. One that changes nothing, a note or a repeat, leaves the version as it is."""
    if ACCESS_UNTIL in message.metadata:
        detail = f"{ACCESS_UNTIL} decides on access that signals have told of: it cannot be changed here"
        return refuse(payment, payment.id, "amendment_impossible", detail, message.reply_to)
    after = amended(message, payment)
    partition = 0 if message.reply_to is None else message.reply_to.partition
    if after == payment and not message.redrive:
        return Decision(payment, reply=answer(payment, message.reply_to), reply_partition=partition)
    draft = Draft(payment, now)
    draft.update(order=after.order, refunds_blocked=after.refunds_blocked)
    draft.waiting = message.reply_to
    decision = draft.build()
    return _with_all_access(decision) if message.redrive else decision


def amended(message: AmendPayment, payment: Payment) -> Payment:
    """The payment with the amendment, at its old version."""
    order = payment.order
    metadata = {key: value for key, value in (order.metadata | message.metadata).items() if value is not None}
    order = msgspec.structs.replace(order, contact=message.contact or order.contact, metadata=metadata)
    blocked = payment.refunds_blocked if message.refunds_blocked is None else message.refunds_blocked
    return msgspec.structs.replace(payment, order=order, refunds_blocked=blocked)


def _with_all_access(decision: Decision) -> Decision:
    """The decision whose event grants all access that the payment gives, and denies what it no longer gives, whatever was
    told before: consumers take the newest version."""
    payment, event = decision.payment, decision.event
    assert payment is not None
    assert event is not None
    now = entitled(payment)
    sold = [item.product_id for item in sold_cart(payment).items] if payment.captured else []
    gone = tuple(product for product in sold if product not in now)
    entitlement = Entitlement(now, gone, payment.order.access_until)
    return msgspec.structs.replace(decision, event=msgspec.structs.replace(event, entitlement=entitlement))
