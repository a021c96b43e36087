"""What clients send to act on a payment, checked as strictly as a new one."""

from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from billing.orders import MAX_ITEMS, MAX_QUANTITY
from ingest_api.payments.schemas import PRINTABLE, CartIn, Id, Minor, Strict, distinct_products

#: Characters. Providers print the reason on the customer's statement or receipt, and cut it there.
MAX_REASON: Final = 256

Reason = Annotated[str, Field(min_length=1, max_length=MAX_REASON, pattern=PRINTABLE)]


class CaptureIn(Strict):
    """Take what is held."""

    amount: Minor | None = Field(default=None, ge=1, description="minor units; all that is held when left out")
    cart: CartIn | None = Field(default=None, description="what is sold after all; needed for a partial capture")


class VoidIn(Strict):
    """Give back what is held."""

    reason: Reason


class RefundLineIn(Strict):
    """So many units of a product."""

    product_id: Id
    quantity: int = Field(ge=1, le=MAX_QUANTITY)


class RefundIn(Strict):
    """Give back what was taken: an amount, or items, or with neither all that is left."""

    reason: Reason
    amount: Minor | None = Field(default=None, ge=1, description="minor units")
    items: Annotated[tuple[RefundLineIn, ...], Field(max_length=MAX_ITEMS), AfterValidator(distinct_products)] = ()

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.items and self.amount is not None:
            raise PydanticCustomError("amount_or_items", "Name an amount or items, not both")
        return self


class CancelIn(Strict):
    """Give up an unpaid payment."""

    reason: Reason
