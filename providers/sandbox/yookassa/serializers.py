"""The sandbox' orders as YooKassa shows them: payments, refunds, notifications."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from billing.money import to_decimal_string
from providers.sandbox.ledger import Operation, Order

#: The ledger's status → YooKassa's. Refunds do not change it.
STATUSES: Final = {
    "PENDING": "pending",
    "AUTHORIZED": "waiting_for_capture",
    "CAPTURED": "succeeded",
    "PARTIALLY_REFUNDED": "succeeded",
    "REFUNDED": "succeeded",
    "VOIDED": "canceled",
    "FAILED": "canceled",
}
REFUND_STATUSES: Final = {"PENDING": "pending", "SUCCESS": "succeeded", "FAIL": "canceled"}
#: YooKassa's fee, in thousandths.
FEE_PERMILLE: Final = 28
#: The one card that customers have.
CARD: Final = {
    "first6": "220000", "last4": "0004", "expiry_year": "2030", "expiry_month": "12", "card_type": "Mir",
}  # fmt: skip


def payment(order: Order, shop_id: str, url: str) -> dict[str, Any]:
    """A payment, as every answer shows it. ``url``: where the customer pays."""
    taken = order.captured > 0
    details = order.details
    view: dict[str, Any] = {
        "id": order.order_id,
        "status": STATUSES[order.status],
        "amount": amount(order.captured or order.amount, order.currency),
        "recipient": {"account_id": shop_id, "gateway_id": shop_id},
        "created_at": time_text(order.created),
        "paid": order.status not in ("PENDING", "FAILED", "VOIDED"),
        "refundable": taken and order.refunded < order.captured,
        "test": True,
        "metadata": details["metadata"],
    }
    if details["description"] is not None:
        view["description"] = details["description"]
    if order.status == "PENDING":
        view["confirmation"] = {"type": "redirect", "confirmation_url": url, "return_url": order.redirect["onSuccess"]}
    if order.authorized:
        view["payment_method"] = _method(details["method"])
        view["authorization_details"] = {
            "rrn": "100000000000",
            "auth_code": "000000",
            "three_d_secure": {"applied": True},
        }
    if order.status == "AUTHORIZED":
        view["expires_at"] = time_text(order.expires)
    if taken:
        net = order.captured - order.captured * FEE_PERMILLE // 1000
        view["income_amount"] = amount(net, order.currency)
        view["captured_at"] = time_text(details["captured_at"])
        view["refunded_amount"] = amount(order.refunded, order.currency)
    if order.reason is not None:
        view["cancellation_details"] = {"party": details["party"], "reason": order.reason}
    return view


def refund(order: Order, operation: Operation) -> dict[str, Any]:
    """A refund, as every answer shows it."""
    view: dict[str, Any] = {
        "id": operation.id,
        "payment_id": order.order_id,
        "status": REFUND_STATUSES[operation.status],
        "created_at": time_text(operation.created),
        "amount": amount(operation.amount, order.currency),
        "metadata": operation.details["metadata"],
    }
    if operation.details["description"] is not None:
        view["description"] = operation.details["description"]
    if operation.reason is not None:
        view["cancellation_details"] = {"party": "refund_network", "reason": operation.reason}
    return view


def notification(event: str, about: dict[str, Any]) -> bytes:
    """A notification's body."""
    return msgspec.json.encode({"type": "notification", "event": event, "object": about})


def amount(minor: int, currency: str) -> dict[str, str]:
    """A MonetaryAmount."""
    return {"value": to_decimal_string(minor, currency), "currency": currency}


def time_text(unix_s: float) -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_s(text: str) -> float:
    """The other way. Raises :class:`ValueError`."""
    return datetime.fromisoformat(text).timestamp()


def _method(method: dict[str, Any]) -> dict[str, Any]:
    status = "active" if method["saved"] else "inactive"
    return {"type": "bank_card", **method, "status": status, "title": f"Bank card *{CARD['last4']}", "card": CARD}
