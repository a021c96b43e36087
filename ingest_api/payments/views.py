"""Payments and operations as clients see them, with what ``?expand=order,cart`` adds.

Plain dataclasses: FastAPI documents and serializes them, and msgspec encodes them for the direct routes and the events
in a third of the time that pydantic models would need.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from billing.messages import OperationView, PaymentSnapshot
from billing.orders import Cart, Order
from billing.payments.decision import snapshot
from billing.payments.model import OPEN, Payment
from billing.payments.refundable_cart import refunded_quantities, sold_cart
from billing.reasons import Kind, Reason
from billing.vocabulary import CaptureMode, OperationStatus, PaymentStatus

Expansion = Literal["order", "cart"]

#: Why a payment or an operation failed. A void, refund or cancellation has the client's own reason until it fails.
FailureReason = Annotated[
    str | None,
    Field(
        description="Why it failed, by whose reason it is. "
        + " ".join(f"{kind.capitalize()}: {', '.join(r for r in Reason if r.kind is kind)}." for kind in Kind)
        + " A later release may add reasons; docs/reasons.md has the meaning of each and what helps."
    ),
]


def _is_left_out(value: object) -> bool:
    return value is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """A line of the cart."""

    product_id: str
    title: str
    quantity: int
    unit_price: int
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReasonOut:
    """Why an operation failed, in the provider's own code and words, personal data masked."""

    code: str | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationOut:
    """An operation of a payment: one call for money, done or tried."""

    id: UUID
    type: str
    status: str
    amount: int
    provider: str | None
    provider_ref: str | None
    reason: FailureReason
    provider_reason: ProviderReasonOut | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """A payment. Amounts: minor units of ``currency``; times: RFC 3339, UTC."""

    id: UUID
    status: PaymentStatus
    version: int
    amount: int
    currency: str
    authorized: int
    captured: int
    refunded: int
    charged_back: int
    provider: str
    capture_mode: CaptureMode
    customer_id: str
    order_id: UUID
    payment_url: str | None
    items: tuple[ItemView, ...]
    operations: tuple[OperationOut, ...]
    metadata: dict[str, str]
    reason: FailureReason
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedView:
    """An accepted payment whose outcome is not known yet: its command is stored."""

    id: UUID
    status: PaymentStatus = PaymentStatus.PENDING
    payment_url: None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResult:
    """The outcome of a command on a payment. ``payment``: the payment after it, once that is known."""

    id: UUID
    payment_id: UUID
    type: str
    status: str
    amount: int
    provider: str | None
    provider_ref: str | None
    reason: FailureReason
    provider_reason: ProviderReasonOut | None
    created_at: datetime
    updated_at: datetime
    payment: PaymentView | None

    @property
    def is_final(self) -> bool:
        """Its status will not change."""
        return OperationStatus(self.status) not in OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnUrlsOut:
    """Where the provider sends the customer back to."""

    success: str
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactOut:
    """Where the fiscal receipt goes."""

    email: Annotated[str | SkipJsonSchema[None], Field(exclude_if=_is_left_out)] = None
    phone: Annotated[str | SkipJsonSchema[None], Field(exclude_if=_is_left_out)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOut:
    """The order that a payment pays."""

    id: UUID
    customer_id: str
    currency: str
    amount: int
    return_urls: ReturnUrlsOut | None
    contact: ContactOut | None
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptOut:
    """Codes of the fiscal data format."""

    subject: int
    method: int
    measure: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CartLineOut:
    """A line of the cart as it was sold. ``refunded``: units given back by refunds that name items, refunds in
    progress included."""

    product_id: str
    title: str
    quantity: int
    unit_price: int
    type: str
    tax: str
    receipt: ReceiptOut
    refunded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CartOut:
    """The cart as it was sold."""

    items: tuple[CartLineOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedPayment(PaymentView):
    """A payment, with its order and its cart where ``expand`` asks for them."""

    order: Annotated[
        OrderOut | SkipJsonSchema[None], Field(exclude_if=_is_left_out, description="with ?expand=order")
    ] = None
    cart: Annotated[CartOut | SkipJsonSchema[None], Field(exclude_if=_is_left_out, description="with ?expand=cart")] = (
        None
    )


def payment_view(payment: PaymentSnapshot, metadata: dict[str, str]) -> PaymentView:
    """A payment as clients see it, with its order's metadata, which events and replies of earlier releases do not have."""
    return PaymentView(**_members(payment, metadata))


def expanded(payment: Payment, expand: AbstractSet[Expansion]) -> ExpandedPayment:
    """A payment as clients see it, with its order and its cart where ``expand`` names them."""
    return ExpandedPayment(
        **_members(snapshot(payment, payment.operations), payment.order.metadata),
        order=_order(payment.order) if "order" in expand else None,
        cart=_cart(sold_cart(payment), refunded_quantities(payment)) if "cart" in expand else None,
    )


def operation_view(operation: OperationView) -> OperationOut:
    """An operation as clients see it."""
    return OperationOut(**_operation_members(operation))


def operation_result(
    payment: PaymentSnapshot, operation_id: UUID, metadata: dict[str, str], *, known: bool
) -> OperationResult:
    """``metadata``: the order's. ``known``: ``payment`` is committed, not foreseen."""
    operation = next(o for o in payment.operations if o.id == operation_id)
    return OperationResult(
        payment_id=payment.payment_id,
        payment=payment_view(payment, metadata) if known else None,
        **_operation_members(operation),
    )


def _members(payment: PaymentSnapshot, metadata: dict[str, str]) -> dict[str, Any]:
    return {
        "id": payment.payment_id,
        "status": payment.status,
        "version": payment.version,
        "amount": payment.amount,
        "currency": payment.currency,
        "authorized": payment.authorized,
        "captured": payment.captured,
        "refunded": payment.refunded,
        "charged_back": payment.charged_back,
        "provider": payment.provider,
        "capture_mode": payment.capture_mode,
        "customer_id": payment.customer_id,
        "order_id": payment.order_id,
        "payment_url": payment.payment_url,
        "items": tuple(
            ItemView(
                product_id=item.product_id,
                title=item.title,
                quantity=item.quantity,
                unit_price=item.unit_price,
                type=item.type,
            )
            for item in payment.items
        ),
        "operations": tuple(operation_view(operation) for operation in payment.operations),
        "metadata": metadata,
        "reason": payment.reason,
        "created_at": payment.created_at,
        "updated_at": payment.changed_at,
    }


def _operation_members(operation: OperationView) -> dict[str, Any]:
    said = operation.provider_reason
    return {
        "id": operation.id,
        "type": operation.type,
        "status": operation.status,
        "amount": operation.amount,
        "provider": operation.provider,
        "provider_ref": operation.provider_ref,
        "reason": operation.reason or None,
        "provider_reason": None if said is None else ProviderReasonOut(code=said.code, message=said.message),
        "created_at": operation.created_at,
        "updated_at": operation.updated_at,
    }


def _order(order: Order) -> OrderOut:
    urls, contact = order.return_urls, order.contact
    return OrderOut(
        id=order.id,
        customer_id=order.customer_id,
        currency=order.currency,
        amount=order.amount,
        return_urls=None if urls is None else ReturnUrlsOut(success=urls.success, failure=urls.failure),
        contact=None if contact is None else ContactOut(email=contact.email, phone=contact.phone),
        metadata=order.metadata,
    )


def _cart(cart: Cart, refunded: dict[str, int]) -> CartOut:
    return CartOut(
        items=tuple(
            CartLineOut(
                product_id=item.product_id,
                title=item.title,
                quantity=item.quantity,
                unit_price=item.unit_price,
                type=item.type,
                tax=item.tax,
                receipt=ReceiptOut(subject=item.subject, method=item.method, measure=item.measure),
                refunded=refunded.get(item.product_id, 0),
            )
            for item in cart.items
        )
    )
