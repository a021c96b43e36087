"""The products to which a payment entitles its customer, before and after a decision. Signals are derived from both."""

from billing.messages.event_parts import Entitlement
from billing.payments.model import Payment
from billing.payments.refundable_cart import sold_cart
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus

_PAID = (PaymentStatus.CAPTURED, PaymentStatus.PARTIALLY_REFUNDED)


def entitled(payment: Payment | None) -> tuple[str, ...]:
    """The captured products, without those of which every unit was refunded.

    A refund counts once it has succeeded and only where it names items: any other refund ends no access until the
    payment is refunded whole. A chargeback ends access once refunds and chargebacks leave nothing of the payment. A
    payment of a subscription entitles to nothing by itself: the subscription does.
    """
    if payment is None or payment.status not in _PAID or payment.order.subscription is not None:
        return ()
    if payment.refunded + payment.charged_back == payment.captured:
        return ()
    returned: dict[str, int] = {}
    for operation in payment.operations:
        if operation.type is OperationType.REFUND and operation.status is OperationStatus.SUCCESS and operation.cart:
            for item in operation.cart.items:
                returned[item.product_id] = returned.get(item.product_id, 0) + item.quantity
    return tuple(
        item.product_id for item in sold_cart(payment).items if item.quantity > returned.get(item.product_id, 0)
    )


def entitlement(before: Payment | None, after: Payment) -> Entitlement:
    """The entitlement in the event of one decision."""
    return Entitlement(entitled(after), entitled(before), after.order.access_until)
