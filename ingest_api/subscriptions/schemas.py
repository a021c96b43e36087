"""Request bodies of plans and subscriptions, validated as strictly as those of payments."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from billing.messages.subscription_commands import When
from billing.orders import MAX_ITEMS, Contact, ReturnUrls
from billing.subscriptions.cadence import MAX_COUNT, Cadence, Unit
from billing.subscriptions.prices import RefundRule
from billing.vocabulary import Tax
from ingest_api.payments.schemas import (
    MAX_ID,
    MAX_METADATA,
    MAX_TITLE,
    ContactIn,
    Currency,
    Id,
    MetadataKey,
    MetadataValue,
    Minor,
    Reason,
    ReturnUrlsIn,
    Strict,
)
from ingest_api.routing.rules import Country, Method
from ingest_api.texts import PLAN_ID, PRINTABLE, VISIBLE
from storage.subscriptions.plans import NewPrice

#: Terms shown to the customer: amounts, dates and words, kept with the consent.
MAX_SHOWN: Final = 32
MAX_SHOWN_VALUE: Final = 2048
MAX_ADDRESS: Final = 64
MAX_AGENT: Final = 512

PlanId = Annotated[str, StringConstraints(pattern=PLAN_ID)]


def _utc(value: datetime) -> datetime:
    if value.tzinfo is not None:
        with suppress(OverflowError):
            return value.astimezone(UTC)
    raise PydanticCustomError("time", "Should be a time like 2026-03-01T12:00:00Z")


Moment = Annotated[datetime, AfterValidator(_utc)]


class CreatePlanIn(Strict):
    """Make a plan. Its prices follow."""

    id: PlanId = Field(description="the plan, by your own id; part of URLs")
    group: PlanId | None = Field(
        default=None, description="a customer has one subscription in a group; the plan's id when left out"
    )
    title: str = Field(
        min_length=1, max_length=MAX_TITLE, pattern=VISIBLE, description="as the customer sees it, also on the receipt"
    )


class AddPriceIn(Strict):
    """The next version of what a plan costs in a currency. It never changes; running subscriptions keep theirs."""

    currency: Currency = Field(description="ISO 4217")
    amount: Minor = Field(ge=1, description="minor units a period, tax included")
    interval: Unit = Unit.MONTH
    interval_count: int = Field(default=1, ge=1, le=max(MAX_COUNT.values()), description="intervals in a period")
    products: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_ITEMS)] = Field(
        description="what a paid period gives access to, by your own ids"
    )
    tax: Tax = Tax.NONE
    refund_on_cancel: RefundRule = Field(
        default=RefundRule.PRORATED, description="what a customer gets back who ends a paid period at once"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        most = MAX_COUNT[self.interval]
        if self.interval_count > most:
            raise PydanticCustomError("interval", f"A period is at most {most} times {self.interval}")
        if len(set(self.products)) != len(self.products):
            raise PydanticCustomError("product_repeated", "A product is named once")
        return self

    def terms(self) -> NewPrice:
        """The terms of the price."""
        return NewPrice(
            currency=self.currency,
            amount=self.amount,
            cadence=Cadence(self.interval, self.interval_count),
            products=self.products,
            tax=self.tax,
            refund_on_cancel=self.refund_on_cancel,
        )


class ConsentIn(Strict):
    """What the customer agreed to. It is kept as evidence with the life of the subscription that begins."""

    terms_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 (hex) of the terms that were shown"
    )
    shown: dict[MetadataKey, Annotated[str, StringConstraints(max_length=MAX_SHOWN_VALUE, pattern=PRINTABLE)]] = Field(
        default_factory=dict, max_length=MAX_SHOWN, description="what the page said: price, interval, how to cancel"
    )
    address: Annotated[str, StringConstraints(max_length=MAX_ADDRESS, pattern=VISIBLE)] | None = Field(
        default=None, description="the customer's IP address"
    )
    agent: Annotated[str, StringConstraints(max_length=MAX_AGENT, pattern=VISIBLE)] | None = Field(
        default=None, description="the customer's browser or app"
    )


class SubscribeIn(Strict):
    """Begin a subscription with its first payment."""

    customer_id: Id
    price: UUID | None = Field(default=None, description="the price; or give plan and currency")
    plan: PlanId | None = Field(default=None, description="the plan, whose newest price in the currency is taken")
    currency: Currency | None = Field(default=None, description="ISO 4217, with plan")
    consent: ConsentIn
    provider: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)] | None = Field(
        default=None, description="the only provider to try; left out: the routing rules choose"
    )
    country: Country | None = Field(default=None, description="ISO 3166-1 alpha-2, for the routing rules")
    method: Method | None = Field(default=None, description="how the customer wants to pay, for the routing rules")
    payment_method_id: UUID | None = Field(
        default=None, description="charge this saved payment method of the customer instead of opening a page"
    )
    contact: ContactIn | None = None
    return_urls: ReturnUrlsIn | None = None
    replace: bool = Field(default=False, description="give up a first payment that is open, and begin anew")
    metadata: dict[MetadataKey, MetadataValue] = Field(default_factory=dict, max_length=MAX_METADATA)
    test_clock: UUID | None = Field(
        default=None, description="the test clock that the subscription lives by; at a sandbox only"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.price is None) == (self.plan is None) or (self.plan is None) != (self.currency is None):
            raise PydanticCustomError("price", "Give either price, or plan and currency")
        chosen = self.country is not None or self.method is not None
        if self.payment_method_id is not None and (self.provider is not None or chosen):
            raise PydanticCustomError("saved_method", "A payment_method_id goes without provider, country and method")
        if self.provider is not None and chosen:
            raise PydanticCustomError(
                "named_or_chosen", "Give either the provider, or country and method for the routing rules"
            )
        return self

    def urls(self) -> ReturnUrls | None:
        """Where the provider sends the customer back to."""
        return None if self.return_urls is None else ReturnUrls(self.return_urls.success, self.return_urls.failure)

    def contacts(self) -> Contact | None:
        """Where receipts go."""
        return None if self.contact is None else Contact(self.contact.email, self.contact.phone)


class CancelSubscriptionIn(Strict):
    """End a subscription. No reason is needed."""

    when: When = Field(
        default=When.AT_END, description="`AT_END`: of the period that is paid for; `NOW`: at once, with a refund"
    )
    refund: RefundRule | None = Field(
        default=None, description="with `NOW`: what is given back; left out: what the price says"
    )
    comment: Reason | None = Field(default=None, description="the customer's own words, for people")

    @model_validator(mode="after")
    def _refunds_now(self) -> Self:
        if self.refund is not None and self.when is When.AT_END:
            raise PydanticCustomError("refund", "A refund goes with NOW: until the end the time is used")
        return self


class KeepSubscriptionIn(Strict):
    """Take a cancellation back."""


class PayNowIn(Strict):
    """Open a page where the customer pays a declined renewal."""

    provider: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)] | None = Field(
        default=None, description="the provider; left out: the subscription's"
    )
    return_urls: ReturnUrlsIn | None = None


class ChangeMethodIn(Strict):
    """Charge another saved method from now on."""

    payment_method_id: UUID = Field(description="a saved payment method of the customer")


class ExtendIn(Strict):
    """Give time: move the end of the paid period."""

    until: Moment = Field(description="the new end of the period, with an offset")
    reason: Reason


class CreateTestClockIn(Strict):
    """Make a test clock."""

    name: str = Field(
        min_length=1, max_length=MAX_TITLE, pattern=VISIBLE, description="a label of yours; nothing reads it"
    )
    at: Moment | None = Field(default=None, description="where it stands at first, with an offset; left out: now")


class AdvanceTestClockIn(Strict):
    """Let a test clock go on."""

    to: Moment = Field(description="where it stops, with an offset; at most five years ahead")
