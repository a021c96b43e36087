"""Revenue by product: a payment's amounts allocated to the lines of its cart, to the last minor unit."""

from collections.abc import Sequence

from billing.messages.event_parts import LineView
from billing.payments.model import Payment
from billing.payments.refundable_cart import sold_cart
from billing.vocabulary import OperationStatus, OperationType


def spread(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide ``amount`` in proportion to ``weights``; the shares add up to it exactly (largest remainders first)."""
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    shares = [amount * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda n: (-(amount * weights[n] % total), n))
    for n in by_remainder[: amount - sum(shares)]:
        shares[n] += 1
    return shares


def lines(payment: Payment) -> tuple[LineView, ...]:
    """One line per product sold. A refund that names items counts for these; any other is spread over the rest."""
    sold = sold_cart(payment).items
    captured = spread(payment.captured, [item.total for item in sold])
    named: dict[str, int] = {}
    for operation in payment.operations:
        if operation.type is OperationType.REFUND and operation.status is OperationStatus.SUCCESS and operation.cart:
            for item in operation.cart.items:
                named[item.product_id] = named.get(item.product_id, 0) + item.total
    refunded = [min(named.get(item.product_id, 0), share) for item, share in zip(sold, captured, strict=True)]
    left = [share - back for share, back in zip(captured, refunded, strict=True)]
    rest = spread(payment.refunded - sum(refunded), left)
    return tuple(
        LineView(item.product_id, share, back + more)
        for item, share, back, more in zip(sold, captured, refunded, rest, strict=True)
    )
