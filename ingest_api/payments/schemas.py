"""Request bodies, validated strictly: unknown fields, floats and numeric strings are refused."""

import re
from typing import Annotated, Any, Final, Protocol, Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from billing.money import EXPONENTS, MAX_AMOUNT
from billing.orders import MAX_ITEMS, MAX_QUANTITY, Cart, Contact, Item, Order, ReturnUrls
from billing.vocabulary import CaptureMode, ItemType, Tax
from ingest_api.payments.contact import Email, Phone
from ingest_api.problems import Problem, ProblemError, invalid_fields
from ingest_api.routing.rules import Country, Method
from ingest_api.texts import ASCII_ID, PRINTABLE, VISIBLE

#: Maximum lengths in characters: the smallest that any provider or the fiscal receipt allows.
MAX_ID: Final = 64
MAX_TITLE: Final = 128
MAX_URL: Final = 2048
MAX_METADATA: Final = 16
MAX_METADATA_KEY: Final = 32
MAX_METADATA_VALUE: Final = 512

_URL: Final = re.compile(r"[\x21-\x7e]+")


class HasProduct(Protocol):
    """A line of a cart, or of a refund."""

    @property
    def product_id(self) -> str: ...


Body = TypeVar("Body", bound="Strict")
Line = TypeVar("Line", bound=HasProduct)


def _supported_currency(value: str) -> str:
    if value not in EXPONENTS:
        raise PydanticCustomError("currency", f"Should be one of {', '.join(sorted(EXPONENTS))}")
    return value


def _web_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        valid = valid and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise PydanticCustomError("web_url", "Should be an absolute http or https URL without credentials")
    if not _URL.fullmatch(value):
        raise PydanticCustomError(
            "web_url", "Should be ASCII without spaces: the host in punycode, other characters percent-encoded"
        )
    return value


def _not_null(value: object) -> object:
    if value is None:
        raise PydanticCustomError("null", "Should be left out, or have a value: null is refused")
    return value


def leave_out_null(schema: dict[str, Any]) -> None:
    """A field or a parameter that is left out or has a value is never null."""
    match schema.get("anyOf"):
        case [present, {"type": "null"}]:
            del schema["anyOf"]
            schema.pop("default", None)
            schema |= present


def distinct_products(items: tuple[Line, ...]) -> tuple[Line, ...]:
    """Validates that each product has one line only."""
    if len({item.product_id for item in items}) != len(items):
        raise PydanticCustomError("product_repeated", "A product can have one item only; use its quantity")
    return items


Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=ASCII_ID)]
Minor = Annotated[int, Field(le=MAX_AMOUNT)]
Currency = Annotated[
    str, Field(json_schema_extra={"enum": list[str | int | float | bool | None](sorted(EXPONENTS))}),
    AfterValidator(_supported_currency),
]  # fmt: skip
WebUrl = Annotated[str, Field(max_length=MAX_URL, json_schema_extra={"format": "uri"}), AfterValidator(_web_url)]


class Strict(BaseModel):
    """Base of every body: no unknown fields, no coercion."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class ReceiptIn(Strict):
    """Codes of the fiscal data format."""

    subject: int = Field(default=4, ge=1, le=26, description="payment subject")
    method: int = Field(default=4, ge=1, le=7, description="payment method")
    measure: int = Field(default=0, ge=0, le=255, description="unit of measure")


class ItemIn(Strict):
    product_id: Id
    title: str = Field(min_length=1, max_length=MAX_TITLE, pattern=VISIBLE)
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    unit_price: Minor = Field(ge=0, description="minor units, tax included")
    type: ItemType = ItemType.DIGITAL
    tax: Tax = Tax.NONE
    receipt: ReceiptIn = ReceiptIn()

    def item(self) -> Item:
        """The item as a domain object."""
        receipt = self.receipt
        return Item(
            self.product_id,
            self.title,
            self.quantity,
            self.unit_price,
            self.type,
            self.tax,
            receipt.subject,
            receipt.method,
            receipt.measure,
        )


class CartIn(Strict):
    items: Annotated[tuple[ItemIn, ...], Field(min_length=1, max_length=MAX_ITEMS), AfterValidator(distinct_products)]

    def cart(self) -> Cart:
        """The cart as a domain object."""
        return Cart(tuple(item.item() for item in self.items))


class ReturnUrlsIn(Strict):
    """Where the provider sends the customer back to."""

    success: WebUrl
    failure: WebUrl


class ContactIn(Strict):
    """Where the fiscal receipt goes."""

    email: Email | None = None
    phone: Phone | None = Field(default=None, description="E.164")


MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=MAX_METADATA_KEY, pattern=VISIBLE)]
MetadataValue = Annotated[str, StringConstraints(max_length=MAX_METADATA_VALUE, pattern=PRINTABLE)]


class CreatePaymentIn(Strict):
    """Open a payment for a cart."""

    customer_id: Id
    currency: Currency = Field(description="ISO 4217")
    amount: Minor = Field(ge=1, description="minor units; the cart's total")
    provider: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)] | None = Field(
        default=None, description="the only provider to try; left out: the routing rules choose"
    )
    country: Country | None = Field(default=None, description="ISO 3166-1 alpha-2, for the routing rules")
    method: Method | None = Field(default=None, description="how the customer wants to pay, for the routing rules")
    capture_mode: CaptureMode = CaptureMode.ONE_STAGE
    cart: CartIn
    return_urls: ReturnUrlsIn | None = None
    contact: ContactIn | None = None
    metadata: dict[MetadataKey, MetadataValue] = Field(default_factory=dict, max_length=MAX_METADATA)
    save_method: bool = Field(
        default=False, description="let the customer's method be charged again: once paid, it is a payment method"
    )
    payment_method_id: UUID | None = Field(
        default=None,
        description="charge this payment method of the customer, who need not be there: its provider takes the payment, "
        "in one stage",
    )

    @model_validator(mode="after")
    def _named_or_chosen(self) -> Self:
        if self.payment_method_id is not None:
            chosen = self.provider is not None or self.country is not None or self.method is not None
            if chosen or self.save_method or self.capture_mode is not CaptureMode.ONE_STAGE:
                raise PydanticCustomError(
                    "saved_method",
                    "A payment_method_id goes without provider, country, method and save_method, in one stage",
                )
        if self.provider is not None and (self.country is not None or self.method is not None):
            raise PydanticCustomError(
                "named_or_chosen", "Give either the provider, or country and method for the routing rules"
            )
        return self

    def order(self, id: UUID) -> Order:
        """The order as a domain object; 422 when the amount is not the cart's total."""
        cart = self.cart.cart()
        if cart.total != self.amount:
            raise ProblemError(Problem.CART_TOTAL_MISMATCH, amount=self.amount, cart_total=cart.total)
        urls, contact = self.return_urls, self.contact
        return Order(
            id=id,
            customer_id=self.customer_id,
            currency=self.currency,
            amount=self.amount,
            cart=cart,
            return_urls=None if urls is None else ReturnUrls(urls.success, urls.failure),
            contact=None if contact is None else Contact(contact.email, contact.phone),
            metadata=self.metadata,
        )


def parse(model: type[Body], body: bytes) -> Body:
    """Validate a body; 400 when it is not JSON, 422 naming the fields when it does not fit."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> ProblemError:
    """The problem for a body that pydantic refused."""
    faults = error.errors(include_url=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        return ProblemError(Problem.MALFORMED_JSON, faults[0]["msg"])
    return invalid_fields(faults)


#: Characters: what YooKassa takes for a refund's description, which is the least of all providers.
MAX_REASON: Final = 250

Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_REASON,
        pattern=VISIBLE,
        description="why, for people: the shop's, and the customer's where the provider shows it",
    ),
]

#: Left out it means "all", so null, which a program sends for a value that it lost, is refused.
_absent: Final = AfterValidator(_not_null)


class CaptureIn(Strict):
    """Capture an authorized payment."""

    amount: Annotated[Minor | None, _absent] = Field(
        default=None,
        ge=1,
        description="minor units; the whole authorized amount when left out",
        json_schema_extra=leave_out_null,
    )
    cart: Annotated[CartIn | None, _absent] = Field(
        default=None,
        description="the items that are still sold; required for a partial capture",
        json_schema_extra=leave_out_null,
    )


class VoidIn(Strict):
    """Void an authorized payment."""

    reason: Reason = Field(default_factory=str)


class RefundLineIn(Strict):
    """Units of a product to refund."""

    product_id: Id
    quantity: int = Field(ge=1, le=MAX_QUANTITY)


class RefundIn(Strict):
    """Refund a captured payment: an amount, or items, or with neither everything that is left."""

    reason: Reason = Field(default_factory=str)
    amount: Annotated[Minor | None, _absent] = Field(
        default=None, ge=1, description="minor units", json_schema_extra=leave_out_null
    )
    items: Annotated[
        tuple[RefundLineIn, ...], Field(min_length=1, max_length=MAX_ITEMS), AfterValidator(distinct_products)
    ] = Field(default_factory=tuple, description="products and how many units of each")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.items and self.amount is not None:
            raise PydanticCustomError("amount_or_items", "Give an amount or items, not both")
        return self


class CancelIn(Strict):
    """Cancel an unpaid payment."""

    reason: Reason = Field(default_factory=str)
