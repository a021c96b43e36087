"""What is sent and what comes back. Amounts: minor units of the payment's currency; times: UTC."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec


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
    """A state of a newer service."""

    @classmethod
    def _missing_(cls, _value: object) -> "PaymentStatus":
        return cls.OTHER


class OperationStatus(StrEnum):
    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    """The provider did not tell yet; it is being asked."""
    OTHER = "OTHER"
    """A status of a newer service."""

    @classmethod
    def _missing_(cls, _value: object) -> "OperationStatus":
        return cls.OTHER


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a cart. ``unit_price`` with tax; ``receipt``: codes of the fiscal data format, where they matter."""

    product_id: str
    title: str
    quantity: int
    unit_price: int
    type: Literal["DIGITAL", "PHYSICAL", "UNSPECIFIED"] = "DIGITAL"
    tax: str = "none"
    receipt: Mapping[str, int] = {}


class Cart(msgspec.Struct, frozen=True):
    """What is sold; a product stands in one line only."""

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
    """A payment to open. ``amount`` is the cart's total. ``provider``: who is to be asked; without it the service's
    rules choose, and ``country`` (ISO 3166-1 alpha-2) and ``method`` help them."""

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


class RefundLine(msgspec.Struct, frozen=True):
    """So many units of a product to give back."""

    product_id: str
    quantity: int


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was done to a payment, or tried."""

    id: UUID
    type: str
    status: OperationStatus
    amount: int
    provider: str | None
    provider_ref: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as the books have it. ``order`` and ``cart`` are there where they were asked for."""

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


class OperationResult(Operation, frozen=True, kw_only=True):
    """What became of a command on a payment. ``payment``: the payment after it, once that is known."""

    payment_id: UUID
    payment: Payment | None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted payment. ``payment``: as the books have it, ``None`` while its outcome is to come."""

    id: UUID
    payment_url: str | None
    payment: Payment | None


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a payment. For people: ``kind`` is stable, ``summary``'s words are not."""

    at: datetime
    kind: str
    summary: str


class Page(msgspec.Struct, frozen=True):
    """Some of a client's payments. ``next_cursor`` is ``None`` on the last page."""

    data: tuple[Payment, ...]
    next_cursor: str | None


class Operations(msgspec.Struct, frozen=True):
    """The operations of a payment, the oldest first."""

    data: tuple[Operation, ...]


class Timeline(msgspec.Struct, frozen=True):
    """All that happened to a payment, in order."""

    data: tuple[Event, ...]
