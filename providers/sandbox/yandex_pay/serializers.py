"""The sandbox' orders as Yandex Pay shows them: answers and events."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from billing.money import to_decimal_string
from providers.sandbox.ledger import Operation, Order
from providers.sandbox.yandex_pay.carts import CURRENCY


def order(order: Order, url: str, merchant_id: str) -> dict[str, Any]:
    """An order, as GET /v1/orders/{id} shows it."""
    view = {
        "orderId": order.order_id,
        "merchantId": merchant_id,
        "currencyCode": order.currency,
        "orderAmount": to_decimal_string(order.amount - order.refunded, CURRENCY),
        "paymentStatus": order.status,
        "paymentUrl": url,
        "cart": order.cart,
        "created": _time(order.created),
        "updated": _time(max([order.created, *(o.updated for o in order.operations)])),
    }
    return view | ({"reason": order.reason} if order.reason else {})


def operation(order: Order, operation: Operation) -> dict[str, Any]:
    """An operation, as answers show it."""
    view: dict[str, Any] = {
        "operationId": operation.id,
        "orderId": order.order_id,
        "operationType": operation.type,
        "status": operation.status,
        "amount": to_decimal_string(operation.amount, CURRENCY),
        "created": _time(operation.created),
        "updated": _time(operation.updated),
    }
    if operation.key:
        view["externalOperationId"] = operation.key
    return view | ({"reason": operation.reason} if operation.reason else {})


def status_event(order: Order, merchant_id: str, at: float) -> bytes:
    """ORDER_STATUS_UPDATED. Without a reason: that is in the order."""
    what = {"orderId": order.order_id, "paymentStatus": order.status}
    return _event("ORDER_STATUS_UPDATED", merchant_id, at, order=what)


def operation_event(order: Order, operation: Operation, merchant_id: str, at: float) -> bytes:
    """OPERATION_STATUS_UPDATED."""
    what = {
        "operationId": operation.id,
        "operationType": operation.type,
        "orderId": order.order_id,
        "status": operation.status,
    }
    if operation.key:
        what["externalOperationId"] = operation.key
    return _event("OPERATION_STATUS_UPDATED", merchant_id, at, operation=what)


def subscription_event(order: Order, merchant_id: str, at: float) -> bytes:
    """SUBSCRIPTION_STATUS_UPDATED: by its own names, without the order's."""
    what = {
        "customerSubscriptionId": order.details["subscription"],
        "subscriptionPlanId": order.details["plan"],
        "status": order.details["status"],
    }
    return _event("SUBSCRIPTION_STATUS_UPDATED", merchant_id, at, subscription=what)


def _event(event: str, merchant_id: str, at: float, **what: Any) -> bytes:
    return msgspec.json.encode({"event": event, "eventTime": _time(at), "merchantId": merchant_id, **what})


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")
