"""Bodies of YooKassa's requests (API v3, OpenAPI 3.0.2). Amounts are decimal strings."""

from collections.abc import Mapping
from typing import Any, Final

from billing.messages import ProviderRequest
from billing.money import to_decimal_string
from billing.reasons import Reason
from billing.vocabulary import CaptureMode
from providers.base import Unsupported
from providers.yookassa.receipts import receipt

#: The field of its metadata by which a payment or refund is found when its answer was lost.
OPERATION: Final = "operation_id"
PAYMENT: Final = "payment_id"
#: Characters.
MAX_DESCRIPTION: Final = 128
MAX_REFUND_DESCRIPTION: Final = 250


def create(request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    """POST /payments. The customer returns to one address, whatever the result: that of success."""
    order = request.order
    if order is None:
        raise Unsupported(Reason.INVALID_REQUEST)
    if order.return_urls is None:
        raise Unsupported(Reason.RETURN_URLS_REQUIRED)
    body = {
        **_charge(request, taxes),
        "capture": request.capture_mode is CaptureMode.ONE_STAGE,
        "confirmation": {"type": "redirect", "return_url": order.return_urls.success},
    }
    return body | ({"save_payment_method": True} if request.save_method else {})


def recur(request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    """POST /payments with a saved method, the customer absent. Captured at once."""
    if request.saved_method is None:
        raise Unsupported(Reason.INVALID_REQUEST)
    return {**_charge(request, taxes), "capture": True, "payment_method_id": request.saved_method}


def capture(request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    """POST /payments/{id}/capture. A smaller amount releases the rest."""
    return {"amount": amount(request), **receipt(request.cart, request.contact, request.currency, taxes)}


def refund(request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    """POST /refunds. A refund in part carries the receipt of what is given back; YooKassa itself makes that of a
    whole one."""
    body = {
        "payment_id": request.order_ref,
        "amount": amount(request),
        "metadata": _metadata(request),
        **receipt(request.refunded_cart, request.contact, request.currency, taxes),
    }
    return body | ({"description": request.reason[:MAX_REFUND_DESCRIPTION]} if request.reason else {})


def amount(request: ProviderRequest) -> dict[str, str]:
    """A MonetaryAmount."""
    return {"value": to_decimal_string(request.amount, request.currency), "currency": request.currency}


def _charge(request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    if request.order is None:
        raise Unsupported(Reason.INVALID_REQUEST)
    cart = request.order.cart
    return {
        "amount": amount(request),
        "description": cart.items[0].title[:MAX_DESCRIPTION],
        "metadata": _metadata(request),
        **receipt(cart, request.order.contact, request.currency, taxes),
    }


def _metadata(request: ProviderRequest) -> dict[str, str]:
    return {OPERATION: str(request.operation_id), PAYMENT: str(request.payment_id)}
