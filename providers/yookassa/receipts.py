"""YooKassa's fiscal receipts (54-FZ), with terms in place of the codes of the fiscal data format."""

from collections.abc import Mapping
from typing import Any, Final

from billing.money import to_decimal_string
from billing.orders import Cart, Contact, Item
from billing.reasons import Reason
from billing.vocabulary import Tax
from providers.base import Unsupported
from providers.fiscal import MAX_NAME, SUBJECTS

#: Receipt tax codes as published; later rates are added by the setting ``tax_codes``.
TAX_CODES: Final[dict[str, int]] = {
    Tax.NONE: 1,
    Tax.VAT_0: 2,
    Tax.VAT_10: 3,
    Tax.VAT_20: 4,
    Tax.VAT_10_110: 5,
    Tax.VAT_20_120: 6,
    Tax.VAT_5: 7,
    Tax.VAT_7: 8,
    Tax.VAT_5_105: 9,
    Tax.VAT_7_107: 10,
    Tax.VAT_22: 11,
    Tax.VAT_22_122: 12,
}
#: Tag 1214, from 1.
MODES: Final = (
    "full_prepayment", "partial_prepayment", "advance", "full_payment", "partial_payment", "credit", "credit_payment",
)  # fmt: skip
#: Tag 2108.
MEASURES: Final = {
    0: "piece", 10: "gram", 11: "kilogram", 12: "ton", 20: "centimeter", 21: "decimeter", 22: "meter",
    30: "square_centimeter", 31: "square_decimeter", 32: "square_meter", 40: "milliliter", 41: "liter",
    42: "cubic_meter", 50: "kilowatt_hour", 51: "gigacalorie", 70: "day", 71: "hour", 72: "minute", 73: "second",
    80: "kilobyte", 81: "megabyte", 82: "gigabyte", 83: "terabyte", 255: "another",
}  # fmt: skip


def receipt(cart: Cart | None, contact: Contact | None, currency: str, taxes: Mapping[str, int]) -> dict[str, Any]:
    """``{"receipt": …}``, or nothing without an address to send it to or items to list."""
    customer = _customer(contact)
    if cart is None or not customer:
        return {}
    return {"receipt": {"customer": customer, "items": [_item(item, currency, taxes) for item in cart.items]}}


def _customer(contact: Contact | None) -> dict[str, str]:
    if contact is None:
        return {}
    customer = {}
    if contact.email:
        customer["email"] = contact.email
    if contact.phone:
        customer["phone"] = "".join(character for character in contact.phone if character in "0123456789")
    return customer


def _item(item: Item, currency: str, taxes: Mapping[str, int]) -> dict[str, Any]:
    tax, measure = taxes.get(item.tax), MEASURES.get(item.measure)
    if tax is None:
        raise Unsupported(Reason.UNSUPPORTED_TAX)
    if measure is None or not 1 <= item.subject <= len(SUBJECTS) or not 1 <= item.method <= len(MODES):
        raise Unsupported(Reason.UNSUPPORTED_ITEM)
    return {
        "description": item.title[:MAX_NAME],
        "quantity": item.quantity,
        "amount": {"value": to_decimal_string(item.unit_price, currency), "currency": currency},
        "vat_code": tax,
        "measure": measure,
        "payment_subject": SUBJECTS[item.subject - 1],
        "payment_mode": MODES[item.method - 1],
    }
