"""``?expand=order,cart``: what a payment's JSON has on request."""

from typing import Any, Final

import msgspec
from starlette.requests import Request

from billing.orders import Cart, Contact, Order, ReturnUrls
from billing.payments.decision import view
from billing.payments.model import Payment
from billing.payments.refundable_cart import refunded_quantities, sold_cart
from ingest_api.payments.views import payment_view
from ingest_api.problems import FieldError, Problem, ProblemError

EXPANDABLE: Final = ("order", "cart")


class OrderOut(msgspec.Struct, frozen=True, kw_only=True):
    """The order a payment pays."""

    id: str
    customer_id: str
    currency: str
    amount: int
    return_urls: ReturnUrls | None
    contact: Contact | None
    metadata: dict[str, str]


class CartLineOut(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the cart as it was sold. ``refunded``: units given back by refunds that name items, or about to be."""

    product_id: str
    title: str
    quantity: int
    unit_price: int
    type: str
    tax: str
    receipt: dict[str, int]
    refunded: int


def expansions(request: Request) -> frozenset[str]:
    """What the query asks for; 422 for what cannot be expanded."""
    words = [word for value in request.query_params.getlist("expand") for word in value.split(",")]
    if not set(words) <= set(EXPANDABLE):
        detail = f"Should be of {', '.join(EXPANDABLE)}, with commas between"
        raise ProblemError(Problem.INVALID_REQUEST, errors=[FieldError("/expand", detail)])
    return frozenset(words)


def expanded(payment: Payment, wanted: frozenset[str]) -> dict[str, Any]:
    """The payment's JSON with what is wanted besides."""
    document = msgspec.structs.asdict(payment_view(view(payment, payment.operations)))
    if "order" in wanted:
        document["order"] = _order(payment.order)
    if "cart" in wanted:
        document["cart"] = {"items": _lines(sold_cart(payment), refunded_quantities(payment))}
    return document


def _order(order: Order) -> OrderOut:
    return OrderOut(
        id=str(order.id),
        customer_id=order.customer_id,
        currency=order.currency,
        amount=order.amount,
        return_urls=order.return_urls,
        contact=order.contact,
        metadata=order.metadata,
    )


def _lines(cart: Cart, refunded: dict[str, int]) -> list[CartLineOut]:
    return [
        CartLineOut(
            product_id=item.product_id,
            title=item.title,
            quantity=item.quantity,
            unit_price=item.unit_price,
            type=item.type,
            tax=item.tax,
            receipt={"subject": item.subject, "method": item.method, "measure": item.measure},
            refunded=refunded.get(item.product_id, 0),
        )
        for item in cart.items
    ]
