"""Bodies of Yandex Pay's requests (merchant API, OpenAPI 3.0.3). Amounts are decimal strings."""

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from billing.messages import ProviderRequest
from billing.money import to_decimal_string
from billing.orders import Cart, Item, Order
from billing.reasons import Reason
from billing.vocabulary import Tax
from providers.base import Unsupported

#: Receipt tax codes, table 1 of https://pay.yandex.ru/docs/ru/custom/fns: 7 comes before 5, unlike in tag 1199 of the
#: fiscal data format. We know no edition with 22 %: 11 and 12 are those of the tag. The setting ``tax_codes`` replaces
#: codes and adds to them.
TAX_CODES: Final[dict[str, int]] = {
    Tax.VAT_20: 1,
    Tax.VAT_10: 2,
    Tax.VAT_20_120: 3,
    Tax.VAT_10_110: 4,
    Tax.VAT_0: 5,
    Tax.NONE: 6,
    Tax.VAT_7: 7,
    Tax.VAT_5: 8,
    Tax.VAT_7_107: 9,
    Tax.VAT_5_105: 10,
    Tax.VAT_22: 11,
    Tax.VAT_22_122: 12,
}
MIN_TTL_S: Final = 180
MAX_TTL_S: Final = 604_800
#: Characters.
MAX_PURPOSE: Final = 30
_ELLIPSIS: Final = "…"
#: Zero-width joiner: it makes one character of its neighbours.
_JOINER: Final = "\u200d"


def create(request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    """POST /v1/orders. Every item carries its receipt; the document has no field for the customer's contact."""
    order = request.order
    if order is None:
        raise Unsupported(Reason.INVALID_REQUEST)
    return {
        **_opened(order, request, taxes),
        "availablePaymentMethods": ["CARD"],
        "purpose": _purpose(order),
    }


def subscribe(request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    """POST /v1/subscriptions: an order whose card may be charged again. ``isBinding``: we choose time and amount, so
    there is no interval."""
    order = request.order
    if order is None:
        raise Unsupported(Reason.INVALID_REQUEST)
    return {**_opened(order, request, taxes), "isBinding": True, "title": _purpose(order)}


def recur(request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    """POST /v1/subscriptions/recur: an order of its own, paid with the card of the first one."""
    order = request.order
    if order is None or request.saved_method is None:
        raise Unsupported(Reason.INVALID_REQUEST)
    return {
        "orderId": request.order_ref,
        "parentOrderId": request.saved_method,
        "amount": to_decimal_string(request.amount, request.currency),
        "currencyCode": request.currency,
        "cart": {"externalId": str(order.id), **_cart(order.cart, request, taxes)},
        "purpose": _purpose(order),
    }


def _purpose(order: Order) -> str:
    """The first title; where it is longer than a purpose may be, an ellipsis stands for the rest. A character of several
    code points (an accent, an emoji with a skin colour, a family) stays whole."""
    title = order.cart.items[0].title
    if len(title) <= MAX_PURPOSE:
        return title
    end = MAX_PURPOSE - len(_ELLIPSIS)
    while end and (title[end - 1] == _JOINER or _continues(title[end])):
        end -= 1
    return title[:end].rstrip() + _ELLIPSIS


def _continues(char: str) -> bool:
    return char == _JOINER or "\U0001f3fb" <= char <= "\U0001f3ff" or unicodedata.category(char).startswith("M")


def _opened(order: Order, request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "orderId": request.order_ref,
        "currencyCode": request.currency,
        "ttl": min(max(request.ttl_s, MIN_TTL_S), MAX_TTL_S),
        "cart": {"externalId": str(order.id), **_cart(order.cart, request, taxes)},
    }
    if order.return_urls is not None:
        body["redirectUrls"] = {"onSuccess": order.return_urls.success, "onError": order.return_urls.failure}
    return body


def capture(request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    """POST /v1/orders/{id}/capture. A smaller amount releases the rest and needs the final cart."""
    body: dict[str, Any] = {
        "orderAmount": to_decimal_string(request.amount, request.currency),
        "externalOperationId": str(request.operation_id),
    }
    if request.cart is not None:
        body["cart"] = _cart(request.cart, request, taxes)
    return body


def cancel(request: ProviderRequest) -> dict[str, Any]:
    """POST /v1/orders/{id}/cancel."""
    return {"reason": request.reason or "voided", "externalOperationId": str(request.operation_id)}


def refund(request: ProviderRequest) -> dict[str, Any]:
    """POST /v2/orders/{id}/refund. ``targetCart`` is the cart that remains; without one everything is refunded."""
    body: dict[str, Any] = {
        "refundAmount": to_decimal_string(request.amount, request.currency),
        "externalOperationId": str(request.operation_id),
    }
    if request.cart is not None:
        if request.refundable_before is not None and request.cart.total != request.refundable_before - request.amount:
            raise Unsupported(Reason.UNSUPPORTED_REFUND)
        body["targetCart"] = {"items": _target(request.cart, request.currency)}
    return body


def _target(cart: Cart, currency: str) -> list[dict[str, Any]]:
    return [
        {
            "productId": item.product_id,
            "quantityCount": str(item.quantity),
            "price": to_decimal_string(item.unit_price, currency),
        }
        for item in cart.items
    ]


def _cart(cart: Cart, request: ProviderRequest, taxes: Mapping[str, int]) -> dict[str, Any]:
    return {
        "items": [_item(item, request.currency, taxes) for item in cart.items],
        "total": {"amount": to_decimal_string(request.amount, request.currency)},
    }


def _item(item: Item, currency: str, taxes: Mapping[str, int]) -> dict[str, Any]:
    tax = taxes.get(item.tax)
    if tax is None:
        raise Unsupported(Reason.UNSUPPORTED_TAX)
    return {
        "productId": item.product_id,
        "title": item.title,
        "quantity": {"count": str(item.quantity)},
        "unitPrice": to_decimal_string(item.unit_price, currency),
        "total": to_decimal_string(item.total, currency),
        "receipt": {
            "tax": tax,
            "title": item.title,
            "measure": item.measure,
            "paymentMethodType": item.method,
            "paymentSubjectType": item.subject,
        },
    }
