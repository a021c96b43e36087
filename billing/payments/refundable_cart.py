"""The cart that remains after refunds: providers require the remaining cart, not the refunded items."""

from collections.abc import Iterable

import msgspec

from billing.messages import RefundLine
from billing.orders import Cart, Item
from billing.payments.model import Operation, Payment
from billing.vocabulary import OperationStatus, OperationType


def sold_cart(payment: Payment) -> Cart:
    """The cart that was captured: the order's, or the final cart of a partial capture."""
    captures = (o for o in payment.standing if o.type is OperationType.CAPTURE and o.cart is not None)
    final = next((o.cart for o in captures if o.status is OperationStatus.SUCCESS), None)
    return final or payment.order.cart


def refunded_quantities(payment: Payment) -> dict[str, int]:
    """Product → units refunded, or being refunded, by refunds that name items."""
    quantities: dict[str, int] = {}
    for operation in payment.standing:
        if operation.type is OperationType.REFUND and operation.status is not OperationStatus.FAIL and operation.cart:
            for item in operation.cart.items:
                quantities[item.product_id] = quantities.get(item.product_id, 0) + item.quantity
    return quantities


def refund_cart(payment: Payment, lines: Iterable[RefundLine]) -> Cart | None:
    """The items of a refund at their prices; ``None`` where it exceeds what was sold and not refunded."""
    sold = {item.product_id: item for item in sold_cart(payment).items}
    gone = refunded_quantities(payment)
    items = []
    for line in lines:
        item = sold.get(line.product_id)
        if item is None or line.quantity < 1 or line.quantity > item.quantity - gone.get(line.product_id, 0):
            return None
        gone[line.product_id] = gone.get(line.product_id, 0) + line.quantity
        items.append(msgspec.structs.replace(item, quantity=line.quantity))
    return Cart(tuple(items))


def cart_after(payment: Payment, refund: Operation) -> Cart:
    """The cart that the customer keeps once ``refund`` is done, after all earlier refunds.

    A refund that names no items lowers the prices instead.
    """
    done = [
        o
        for o in payment.standing
        if o.type is OperationType.REFUND and (o.status is OperationStatus.SUCCESS or o.id == refund.id)
    ]
    gone: dict[str, int] = {}
    for operation in done:
        for item in operation.cart.items if operation.cart else ():
            gone[item.product_id] = gone.get(item.product_id, 0) + item.quantity
    items = [
        msgspec.structs.replace(item, quantity=item.quantity - gone.get(item.product_id, 0))
        for item in sold_cart(payment).items
        if item.quantity > gone.get(item.product_id, 0)
    ]
    return Cart(tuple(_lower(items, sum(o.amount for o in done if o.cart is None))))


def _lower(items: list[Item], by: int) -> list[Item]:
    """Lower the lines by ``by`` minor units, those with the fewest units first: a line with one unit can be lowered by
    any amount, one with several only by multiples of their number. A remainder that no line can take stays in the
    cart; from its total the adapter sees that the refund cannot be expressed."""
    lowered = list(items)
    for index in sorted(range(len(lowered)), key=lambda n: lowered[n].quantity):
        item = lowered[index]
        off = min(by, item.total)
        off -= off % item.quantity
        lowered[index] = msgspec.structs.replace(item, unit_price=item.unit_price - off // item.quantity)
        by -= off
    return [item for item in lowered if item.unit_price > 0]
