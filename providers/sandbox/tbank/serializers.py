"""The sandbox' orders as T-Bank shows them: answers and notifications."""

from typing import Any, Final

import msgspec

from providers.sandbox.ledger import Order

FINE: Final = "0"
_STATUSES: Final = {
    "PENDING": "NEW",
    "AUTHORIZED": "AUTHORIZED",
    "CAPTURED": "CONFIRMED",
    "PARTIALLY_REFUNDED": "PARTIAL_REFUNDED",
    "REFUNDED": "REFUNDED",
}


def status(order: Order) -> str:
    """The payment's status."""
    if any(o.type == "REFUND" and o.status == "PENDING" for o in order.operations):
        return "ASYNC_REFUNDING"
    if order.status == "VOIDED":
        return "REVERSED" if order.authorized else "CANCELED"
    if order.status == "FAILED":
        return "DEADLINE_EXPIRED" if order.details.get("expired") else "REJECTED"
    return _STATUSES[order.status]


def confirmed(order: Order, terminal_key: str) -> dict[str, Any]:
    """Confirm's answer."""
    return {
        "TerminalKey": terminal_key,
        "OrderId": order.details["order_id"],
        "Success": True,
        "Status": status(order),
        "PaymentId": order.order_id,
        "ErrorCode": FINE,
    }


def answer(order: Order, terminal_key: str) -> dict[str, Any]:
    """The answer of Init, Charge and GetState."""
    return {**confirmed(order, terminal_key), "Amount": present(order)}


def present(order: Order) -> int:
    """The present amount of a payment, kopecks: once it is captured, what is left; of one without any, that of Init."""
    return order.captured - order.refunded or order.amount


def canceled(order: Order, terminal_key: str, before: int) -> dict[str, Any]:
    """Cancel's answer. ``before``: kopecks held or taken until then."""
    kept = 0 if order.status == "VOIDED" else order.captured - order.refunded
    named = {"PaymentId": int(order.order_id)}  # a number here and in notifications, a string elsewhere
    return {**confirmed(order, terminal_key), **named, "OriginalAmount": before, "NewAmount": kept}


def found(order: Order) -> dict[str, Any]:
    """A payment as CheckOrder lists it."""
    return {
        "PaymentId": order.order_id,
        "Amount": order.amount,
        "Status": status(order),
        "Success": str(order.status != "FAILED").lower(),
        "ErrorCode": int(order.reason or FINE),
    }


def notification(order: Order, terminal_key: str) -> bytes:
    """A notification's fields, without the token."""
    shown = status(order)
    fields: dict[str, Any] = {
        "TerminalKey": terminal_key,
        "OrderId": order.details["order_id"],
        "Success": order.status != "FAILED",
        "Status": shown,
        "PaymentId": int(order.order_id),
        "ErrorCode": (order.reason if order.status == "FAILED" else None) or FINE,
        "Amount": present(order),
        "Pan": "430000******0777",
        "ExpDate": "1230",
        "Data": {"Source": "cards"},
    }
    if "rebill_id" in order.details and shown in ("AUTHORIZED", "CONFIRMED"):
        fields["RebillId"] = int(order.details["rebill_id"])
    return msgspec.json.encode(fields)
