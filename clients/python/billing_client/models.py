"""Requests and responses. Amounts: minor units of the payment's currency; times: UTC."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

T = TypeVar("T")


class PaymentStatus(StrEnum):
    PENDING = "PENDING"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    VOIDED = "VOIDED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    OTHER = "OTHER"
    """A state that a later release of the service added."""

    @classmethod
    def _missing_(cls, _value: object) -> "PaymentStatus":
        return cls.OTHER


class OperationStatus(StrEnum):
    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    """The provider did not report the outcome; the service is querying it."""
    OTHER = "OTHER"
    """A status that a later release of the service added."""

    @classmethod
    def _missing_(cls, _value: object) -> "OperationStatus":
        return cls.OTHER


class MethodStatus(StrEnum):
    ACTIVE = "ACTIVE"
    DEAD = "DEAD"
    """Its bank or provider refused it for good."""
    REMOVED = "REMOVED"
    OTHER = "OTHER"
    """A status that a later release of the service added."""

    @classmethod
    def _missing_(cls, _value: object) -> "MethodStatus":
        return cls.OTHER


class PaymentMethod(msgspec.Struct, frozen=True, kw_only=True):
    """A method that a customer lets you charge again. ``title``: its brand and last digits; ``expires_on``: its last
    day; ``updated_at``: since when it has its status."""

    id: UUID
    customer_id: str
    provider: str
    title: str | None
    expires_on: date | None
    status: MethodStatus
    reason: str | None
    created_at: datetime
    updated_at: datetime


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a cart. ``unit_price`` includes tax. ``receipt``: codes of the fiscal data format, if they matter."""

    product_id: str
    title: str
    quantity: int
    unit_price: int
    type: Literal["DIGITAL", "PHYSICAL", "UNSPECIFIED"] = "DIGITAL"
    tax: str = "none"
    receipt: Mapping[str, int] = {}


class Cart(msgspec.Struct, frozen=True):
    """The cart. A product has one line only."""

    items: Sequence[Item]


class ReturnUrls(msgspec.Struct, frozen=True):
    """Where the provider sends the customer back to."""

    success: str
    failure: str


class Contact(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the fiscal receipt goes. ``phone``: E.164."""

    email: str | None = None
    phone: str | None = None


class NewPayment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A payment to open. ``amount`` is the cart's total. ``provider``: the only provider to try; without it the routing
    rules of the service choose one, also by ``country`` (ISO 3166-1 alpha-2) and ``method``. ``save_method``: let the
    customer's method be charged again; ``payment_method_id``: charge this one, saved before, the customer absent."""

    customer_id: str
    currency: str
    amount: int
    cart: Cart
    provider: str | None = None
    country: str | None = None
    method: str | None = None
    capture_mode: Literal["ONE_STAGE", "TWO_STAGE"] = "ONE_STAGE"
    return_urls: ReturnUrls | None = None
    contact: Contact | None = None
    metadata: Mapping[str, str] = {}
    save_method: bool = False
    payment_method_id: UUID | None = None


class RefundLine(msgspec.Struct, frozen=True):
    """Units of a product to refund."""

    product_id: str
    quantity: int


class ProviderReason(msgspec.Struct, frozen=True, kw_only=True):
    """Why an operation failed, in the provider's own code and words."""

    code: str | None = None
    message: str | None = None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation of a payment, performed or attempted. ``provider_reason``: earlier releases lack it."""

    id: UUID
    type: str
    status: OperationStatus
    amount: int
    provider: str | None
    provider_ref: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime
    provider_reason: ProviderReason | None = None


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as committed. ``order`` and ``cart`` are set if ``expand`` requested them."""

    id: UUID
    status: PaymentStatus
    version: int
    amount: int
    currency: str
    authorized: int
    captured: int
    refunded: int
    provider: str
    capture_mode: str
    customer_id: str
    order_id: UUID
    payment_url: str | None
    operations: tuple[Operation, ...]
    reason: str | None
    created_at: datetime
    updated_at: datetime
    order: dict[str, Any] | None = None
    cart: dict[str, Any] | None = None
    metadata: Mapping[str, str] = {}
    charged_back: int = 0


class OperationResult(Operation, frozen=True, kw_only=True):
    """The outcome of a command on a payment. ``payment``: the payment after it, once that is known."""

    payment_id: UUID
    payment: Payment | None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted payment. ``payment``: as committed, ``None`` while its outcome is unknown."""

    id: UUID
    payment_url: str | None
    payment: Payment | None


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a payment or a subscription. For people: ``kind`` is stable, the wording of ``summary`` is not."""

    at: datetime
    kind: str
    summary: str


class Page(msgspec.Struct, frozen=True):
    """A page of a client's payments. ``next_cursor`` is ``None`` on the last page."""

    data: tuple[Payment, ...]
    next_cursor: str | None


class Entries(msgspec.Struct, Generic[T], frozen=True):
    """A list that comes whole."""

    data: tuple[T, ...]
