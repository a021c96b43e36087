"""The cart and refunds: what remains of it, which some providers require, and what is given back, which receipts list."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from billing.messages import RefundLine
from billing.orders import Cart, Item
from billing.payments.model import Operation, Payment
from billing.vocabulary import OperationStatus, OperationType

#: Combinations of prices that are tried for a refund that names no items. A cart has few lines with several units; more
#: tries would only help carts in which every line has many.
TRIES: Final = 5_000


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
    """The cart that the customer keeps once ``refund`` is done, after all earlier refunds, one line a product.

    A refund that names no items lowers the prices instead. Where no prices come to what remains, the cart's total shows
    it: the refund cannot be expressed by this cart.
    """
    items = list(sold_cart(payment).items)
    for operation in payment.standing:
        if operation.type is not OperationType.REFUND:
            continue
        if operation.status is OperationStatus.SUCCESS or operation.id == refund.id:
            named = operation.cart
            items = _lowered(items, operation.amount) if named is None else _without(items, named)[1]
    return Cart(tuple(items))


def returned_cart(payment: Payment, refund: Operation) -> Cart | None:
    """The items that ``refund`` gives back, for its receipt: those that it names, or as many units as its amount pays
    for, and a part of one more. ``None`` where what is left of the cart does not come to the amount."""
    items = list(sold_cart(payment).items)
    for operation in payment.standing:
        is_other = operation.type is OperationType.REFUND and operation.id != refund.id
        if is_other and operation.status is not OperationStatus.FAIL:
            items = _give_back(items, operation)[1]
    returned, _ = _give_back(items, refund)
    cart = Cart(tuple(returned))
    return cart if cart.total == refund.amount else None


def _give_back(items: list[Item], refund: Operation) -> tuple[list[Item], list[Item]]:
    """What a refund gives back of these lines, and what remains of them."""
    if refund.cart is not None:
        return _without(items, refund.cart)
    returned, remaining = [], []
    left = refund.amount
    for item in items:
        units = min(item.quantity, left // item.unit_price) if item.unit_price else 0
        left -= units * item.unit_price
        returned += _line(item, units)
        remaining += _line(item, item.quantity - units)
    for index, item in enumerate(remaining):
        if 0 < left < item.unit_price:
            part, rest = (msgspec.structs.replace(item, unit_price=price) for price in (left, item.unit_price - left))
            remaining[index : index + 1] = [*_line(item, item.quantity - 1), *_line(rest, 1)]
            returned += _line(part, 1)
            break
    return returned, remaining


def _without(items: list[Item], cart: Cart) -> tuple[list[Item], list[Item]]:
    """The lines of ``cart``, and what remains of ``items`` without their units."""
    gone = {item.product_id: item.quantity for item in cart.items}
    remaining = []
    for item in items:
        units = min(item.quantity, gone.get(item.product_id, 0))
        gone[item.product_id] = gone.get(item.product_id, 0) - units
        remaining += _line(item, item.quantity - units)
    return list(cart.items), remaining


def _line(item: Item, quantity: int) -> list[Item]:
    """A line with so many units of the item; none for no units."""
    return [msgspec.structs.replace(item, quantity=quantity)] if quantity else []


def _lowered(items: list[Item], by: int) -> list[Item]:
    """The lines with prices that are ``by`` minor units lower in all: the price of a line with several units falls by
    multiples of their number, so lines with many units take the most and those with few the remainder. Where no prices
    fall by ``by``, they fall by less."""
    order = sorted(range(len(items)), key=lambda n: -items[n].quantity)
    falls = _falls([items[n] for n in order], by, iter(range(TRIES))) or [0] * len(items)
    lowered = list(items)
    for n, fall in zip(order, falls, strict=True):
        lowered[n] = msgspec.structs.replace(items[n], unit_price=items[n].unit_price - fall)
    return [item for item in lowered if item.unit_price > 0]


def _falls(items: list[Item], by: int, tries: Iterator[int]) -> list[int] | None:
    """By how much the price of each line falls, so that the lines fall by ``by``; ``None`` where none is found before
    the ``tries`` end."""
    if not items:
        return [] if by == 0 else None
    first, *others = items
    most = min(first.unit_price, by // first.quantity)
    # Other numbers of units leave other remainders for the other lines.
    for fall in range(most, max(-1, most - (others[0].quantity if others else 1)), -1):
        if next(tries, None) is None:
            return None
        if (rest := _falls(others, by - fall * first.quantity, tries)) is not None:
            return [fall, *rest]
    return None
