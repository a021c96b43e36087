"""What remains of a cart after refunds: providers want the cart as it will be, not what is taken out of it."""

from collections.abc import Iterable

import msgspec

from billing.messages import RefundLine
from billing.orders import Cart, Item
from billing.payments.model import Operation, Payment
from billing.vocabulary import OperationStatus, OperationType


def sold_cart(payment: Payment) -> Cart:
    """What was captured: the cart of the order, or the final one that a partial capture named."""
    captures = (o for o in payment.standing if o.type is OperationType.CAPTURE and o.cart is not None)
    final = next((o.cart for o in captures if o.status is OperationStatus.SUCCESS), None)
    return final or payment.order.cart


def refunded_quantities(payment: Payment) -> dict[str, int]:
    """Product → units given back, or about to be, by refunds that name items."""
    quantities: dict[str, int] = {}
    for operation in payment.standing:
        if operation.type is OperationType.REFUND and operation.status is not OperationStatus.FAIL and operation.cart:
            for item in operation.cart.items:
                quantities[item.product_id] = quantities.get(item.product_id, 0) + item.quantity
    return quantities


def refund_cart(payment: Payment, lines: Iterable[RefundLine]) -> Cart | None:
    """The items of a refund at their prices; ``None`` when more is asked for than was sold and not given back."""
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
    """The cart that stays with the customer once ``refund`` is done, whole refunds before it included.

    Refunds that name no items lower the prices instead.
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
    """Take ``by`` minor units off the lines, those with the fewest units first: from a line with one unit any amount
    comes off exactly, from one with several only multiples of their number. A rest that no line can give stays in
    the cart; its total then tells the adapter that this refund cannot be expressed."""
    lowered = list(items)
    for index in sorted(range(len(lowered)), key=lambda n: lowered[n].quantity):
        item = lowered[index]
        off = min(by, item.total)
        off -= off % item.quantity
        lowered[index] = msgspec.structs.replace(item, unit_price=item.unit_price - off // item.quantity)
        by -= off
    return [item for item in lowered if item.unit_price > 0]
