"""Payments and operations as clients see them, with what ``?expand=order,cart`` adds."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from starlette.requests import Request

from billing.messages import ItemView, OperationView, PaymentChanged
from billing.orders import Cart, Contact, Order, ReturnUrls
from billing.payments.decision import view
from billing.payments.model import OPEN, Payment
from billing.payments.refundable_cart import refunded_quantities, sold_cart
from billing.vocabulary import CaptureMode, OperationStatus, PaymentStatus
from ingest_api.problems import FieldError, Problem, ProblemError


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of a payment. Amounts: minor units of ``currency``; times: RFC 3339, UTC."""

    id: UUID
    status: PaymentStatus
    version: int
    amount: int
    currency: str
    authorized: int
    captured: int
    refunded: int
    provider: str
    capture_mode: CaptureMode
    customer_id: str
    order_id: UUID
    payment_url: str | None
    items: tuple[ItemView, ...]
    operations: tuple["OperationOut", ...]
    reason: str | None
    created_at: datetime
    updated_at: datetime


class OperationOut(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of an operation."""

    id: UUID
    type: str
    status: str
    amount: int
    provider: str | None
    provider_ref: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime


class AcceptedView(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that is accepted and not known further: its command is stored, its outcome is to come."""

    id: UUID
    status: PaymentStatus = PaymentStatus.PENDING
    payment_url: None = None


class OperationResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command on a payment. ``payment``: the payment after it, once that is known."""

    id: UUID
    payment_id: UUID
    type: str
    status: str
    amount: int
    provider: str | None
    provider_ref: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime
    payment: PaymentView | None

    @property
    def is_final(self) -> bool:
        """It will not change."""
        return OperationStatus(self.status) not in OPEN


def operation_result(payment: PaymentChanged, operation_id: UUID, *, known: bool) -> OperationResult:
    """``known``: ``payment`` is what the books say, not what is foreseen."""
    operation = next(o for o in payment.operations if o.id == operation_id)
    return OperationResult(
        payment_id=payment.payment_id,
        payment=payment_view(payment) if known else None,
        **msgspec.structs.asdict(operation_view(operation)),
    )


def payment_view(payment: PaymentChanged) -> PaymentView:
    """A payment as clients see it."""
    return PaymentView(
        id=payment.payment_id,
        status=payment.status,
        version=payment.version,
        amount=payment.amount,
        currency=payment.currency,
        authorized=payment.authorized,
        captured=payment.captured,
        refunded=payment.refunded,
        provider=payment.provider,
        capture_mode=payment.capture_mode,
        customer_id=payment.customer_id,
        order_id=payment.order_id,
        payment_url=payment.payment_url,
        items=payment.items,
        operations=tuple(operation_view(operation) for operation in payment.operations),
        reason=payment.reason,
        created_at=payment.created_at,
        updated_at=payment.changed_at,
    )


def operation_view(operation: OperationView) -> OperationOut:
    """An operation as clients see it."""
    return OperationOut(
        id=operation.id,
        type=operation.type,
        status=operation.status,
        amount=operation.amount,
        provider=operation.provider,
        provider_ref=operation.provider_ref,
        reason=operation.reason,
        created_at=operation.created_at,
        updated_at=operation.updated_at,
    )


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
