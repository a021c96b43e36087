"""Bodies of T-Bank's requests. Amounts are integers, in kopecks."""

from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Any, Final

from billing.messages import ProviderRequest
from billing.orders import Cart, Contact, Item
from billing.reasons import Reason
from billing.vocabulary import CaptureMode, Tax
from providers.base import Unsupported
from providers.fiscal import MAX_NAME, SUBJECTS

CURRENCY: Final = "RUB"
#: Receipt tax codes as published; the setting ``tax_codes`` replaces codes and adds to them.
TAX_CODES: Final[dict[str, str]] = {
    Tax.NONE: "none",
    Tax.VAT_0: "vat0",
    Tax.VAT_5: "vat5",
    Tax.VAT_7: "vat7",
    Tax.VAT_10: "vat10",
    Tax.VAT_20: "vat20",
    Tax.VAT_10_110: "vat110",
    Tax.VAT_20_120: "vat120",
    Tax.VAT_5_105: "vat105",
    Tax.VAT_7_107: "vat107",
    # In force since 2026; the document of 2025 does not have them yet.
    Tax.VAT_22: "vat22",
    Tax.VAT_22_122: "vat122",
}
#: T-Bank accepts this many payment subjects, the first of all.
SUBJECTS_KNOWN: Final = 13
#: Tag 1214, from 1.
METHODS: Final = (
    "full_prepayment", "prepayment", "advance", "full_payment", "partial_payment", "credit", "credit_payment",
)  # fmt: skip
#: Characters.
MAX_DESCRIPTION: Final = 140
MAX_CUSTOMER_KEY: Final = 36
#: Moscow's time, as in the document's sample.
MOSCOW: Final = timezone(timedelta(hours=3))


class Receipts:
    """Fiscal receipts of one shop. ``taxation``: its system; ``taxes``: rate → T-Bank's code."""

    def __init__(self, taxation: str, taxes: Mapping[str, str]) -> None:
        self._taxation = taxation
        self._taxes = taxes

    def of(self, cart: Cart | None, contact: Contact | None) -> dict[str, Any]:
        """``{"Receipt": …}``, or nothing without an address to send it to or items to list."""
        to = {} if contact is None else {"Email": contact.email, "Phone": contact.phone}
        to = {name: value for name, value in to.items() if value}
        if cart is None or not to:
            return {}
        return {"Receipt": {**to, "Taxation": self._taxation, "Items": [self._item(item) for item in cart.items]}}

    def _item(self, item: Item) -> dict[str, Any]:
        tax = self._taxes.get(item.tax)
        if tax is None:
            raise Unsupported(Reason.UNSUPPORTED_TAX)
        if not 1 <= item.subject <= SUBJECTS_KNOWN or not 1 <= item.method <= len(METHODS):
            raise Unsupported(Reason.UNSUPPORTED_ITEM)
        return {
            "Name": item.title[:MAX_NAME],
            "Price": item.unit_price,
            "Quantity": item.quantity,
            "Amount": item.total,
            "Tax": tax,
            "PaymentMethod": METHODS[item.method - 1],
            "PaymentObject": SUBJECTS[item.subject - 1],
        }


def init(request: ProviderRequest, receipts: Receipts) -> dict[str, Any]:
    """Init: a payment and its page. ``OrderId`` is our operation."""
    order = request.order
    if order is None:
        raise Unsupported(Reason.INVALID_REQUEST)
    body: dict[str, Any] = {
        "OrderId": str(request.operation_id),
        "Amount": request.amount,
        "Description": order.cart.items[0].title[:MAX_DESCRIPTION],
        # A saved method is charged in one stage: holding first is a setting of the terminal.
        "PayType": "T" if request.capture_mode is CaptureMode.TWO_STAGE and request.saved_method is None else "O",
        **receipts.of(order.cart, order.contact),
    }
    if order.return_urls is not None:
        body |= {"SuccessURL": order.return_urls.success, "FailURL": order.return_urls.failure}
    if request.opened_at is not None and request.saved_method is None:
        due = request.opened_at + timedelta(seconds=request.ttl_s)
        body["RedirectDueDate"] = due.astimezone(MOSCOW).isoformat(timespec="seconds")
    if request.save_method:
        if len(order.customer_id) > MAX_CUSTOMER_KEY:
            raise Unsupported(Reason.INVALID_REQUEST)
        body |= {"Recurrent": "Y", "CustomerKey": order.customer_id}
    return body


def confirm(request: ProviderRequest, payment_id: str, receipts: Receipts) -> dict[str, Any]:
    """Confirm: a smaller amount releases the rest."""
    return {"PaymentId": payment_id, "Amount": request.amount, **receipts.of(request.cart, request.contact)}


def cancel(request: ProviderRequest, payment_id: str, receipts: Receipts) -> dict[str, Any]:
    """Cancel: releases a hold, or refunds. A repeat with the same ``ExternalRequestId`` is answered with the state of
    the payment and cancels no more."""
    return {
        "PaymentId": payment_id,
        "Amount": request.amount,
        "ExternalRequestId": str(request.operation_id),
        **receipts.of(request.refunded_cart, request.contact),
    }
