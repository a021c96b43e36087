"""Orders at Yandex Pay, by its rules: the merchant's calls, customers' actions, and the callbacks they cause."""

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import msgspec

from billing.money import from_decimal_string
from providers.sandbox import console
from providers.sandbox.changes import Changes
from providers.sandbox.console import ConsoleAct
from providers.sandbox.context import SandboxContext
from providers.sandbox.faults import DECLINE
from providers.sandbox.imitation import is_payable
from providers.sandbox.ledger import Operation, Order, new_operation
from providers.sandbox.replays import digest
from providers.sandbox.yandex_pay import carts, serializers
from providers.sandbox.yandex_pay.carts import CURRENCY
from providers.sandbox.yandex_pay.errors import Refused

PROVIDER: Final = "yandex-pay"
#: One rouble, in kopecks: the least an order, a refund or a remainder may be.
MINIMUM: Final = 100
INTERVALS: Final = ("SECOND", "DAY", "WEEK", "MONTH", "YEAR")
MAX_TITLE: Final = 30
TTL_S: Final = range(180, 604_801)
DEFAULT_TTL_S: Final = 1800
#: How long a refund is open, seconds.
REFUND_TAKES_S: Final = 0.05
_TWO_STAGE: Final = "yandex-pay/two-stage"


class Orders:
    """The orders of one merchant. Every change is in the ledger, with its callbacks, before a method returns.

    A write that is repeated, by ``externalOperationId`` or by ``X-Request-Id``, gets the same operation; with other
    arguments it is refused. An expired unpaid order stays PENDING and can no longer be paid; no callback is sent,
    since no document describes one.
    """

    def __init__(self, merchant_id: str, context: SandboxContext, *, two_stage: bool) -> None:
        self.changes = Changes(PROVIDER, context)
        self._ledger = context.ledger
        self._faults = context.faults
        self._merchant_id = merchant_id
        self._on_opened = context.on_opened
        set_up = self._ledger.recall(_TWO_STAGE)
        self._two_stage = two_stage if set_up is None else set_up == b"yes"

    @property
    def two_stage(self) -> bool:
        """Whether new orders are held first: a setting of the merchant, not of a request. What it was set to is kept
        across restarts."""
        return self._two_stage

    @two_stage.setter
    def two_stage(self, value: bool) -> None:
        self._two_stage = value
        self._ledger.remember(_TWO_STAGE, b"yes" if value else b"no")

    def open(self, body: dict[str, Any], request_id: str | None, *, saves: bool = False) -> Order:
        """POST /v1/orders; ``saves``: or /v1/subscriptions, an order whose card may be charged again."""
        order_id, asked = str(body["orderId"]), digest(body)
        if (known := self.changes.find(order_id)) is not None:
            known.note("create", request_id)
            self.changes.put(known)
            if known.arguments != asked:
                raise Refused(409, "ORDER_ALREADY_EXISTS", "another order has this id")
            return known
        amount, ttl = carts.total(body["cart"]), body.get("ttl", DEFAULT_TTL_S)
        if body["currencyCode"] != CURRENCY or ttl not in TTL_S:
            raise Refused(400, "VALIDATION_ERROR", "currencyCode or ttl")
        if saves:
            _check_subscription(body)
        carts.check(body["cart"], amount)
        _enough(amount)
        now = time.time()
        order = Order(
            order_id, PROVIDER, CURRENCY, amount, "PENDING", now, now + ttl,
            two_stage=self.two_stage, cart=body["cart"], redirect=body.get("redirectUrls") or {}, arguments=asked,
        )  # fmt: skip
        if saves:
            order.details = {"subscription": str(uuid.uuid4()), "plan": str(uuid.uuid4()), "status": "NEW"}
        order.note("create", request_id)
        self.changes.put(order)
        self._on_opened(order_id)
        return order

    def recur(self, body: dict[str, Any], request_id: str | None) -> Operation:
        """POST /v1/subscriptions/recur: another order, paid at once with the first one's card, in one stage."""
        order_id, asked, parent = str(body["orderId"]), digest(body), self.changes.find(str(body["parentOrderId"]))
        if (known := self.changes.find(order_id)) is not None:
            known.note("recur", request_id)
            self.changes.put(known)
            if known.arguments != asked:
                raise Refused(409, "ORDER_ALREADY_EXISTS", "another order has this id")
            return known.operations[0]
        if parent is None or parent.details.get("status") != "ACTIVE":
            raise Refused(404, "ORDER_NOT_FOUND", "no subscription was paid by this order")
        amount, now = _amount(body["amount"]), time.time()
        if body["currencyCode"] != CURRENCY:
            raise Refused(400, "VALIDATION_ERROR", "currencyCode")
        carts.check(body["cart"], amount)
        _enough(amount)
        order = Order(order_id, PROVIDER, CURRENCY, amount, "PENDING", now, now, cart=body["cart"], arguments=asked)
        order.note("recur", request_id)
        operation = new_operation("RECURRING", "SUCCESS", amount, now)
        order.operations.append(operation)
        fault = self._faults.of_charge(PROVIDER, parent.order_id)
        if fault is None:
            order.authorized = order.captured = amount
            order.status = "CAPTURED"
            order.operations.append(new_operation("CAPTURE", "SUCCESS", amount, now))
        else:
            order.status, operation.status = "FAILED", "FAIL"
            order.reason = operation.reason = fault.fault.removeprefix(DECLINE)
        self.changes.commit(order, "recur", [self._operation(order, operation), self._status(order)], operation)
        return operation

    def pay(self, order: Order) -> bool:
        """The customer pays; whether the order could be paid."""
        if not is_payable(order):
            return False
        now = time.time()
        order.customer, order.authorized, order.status = "pays", order.amount, "AUTHORIZED"
        order.operations.append(new_operation("AUTHORIZE", "SUCCESS", order.amount, now))
        if not order.two_stage:
            order.captured, order.status = order.amount, "CAPTURED"
            order.operations.append(new_operation("CAPTURE", "SUCCESS", order.amount, now))
        events = [self._status(order)]
        if "subscription" in order.details:
            order.details["status"] = "ACTIVE"
            events.append(serializers.subscription_event(order, self._merchant_id, now))
        self.changes.commit(order, "pay", events)
        return True

    def decline(self, order: Order, reason: str) -> bool:
        """The customer's bank declines, for ``reason``; whether the order could be paid."""
        if not is_payable(order):
            return False
        order.customer, order.status, order.reason = "declines", "FAILED", reason
        order.operations.append(new_operation("AUTHORIZE", "FAIL", order.amount, time.time(), reason=reason))
        self.changes.commit(order, "pay", [self._status(order)])
        return True

    def capture(self, order: Order, body: dict[str, Any], request_id: str | None) -> Operation:
        """POST /v1/orders/{id}/capture."""
        if (known := self._asked_before(order, "capture", body, request_id)) is not None:
            return known
        amount = _amount(body["orderAmount"]) if "orderAmount" in body else order.authorized
        self._require(order, "AUTHORIZED")
        _enough(amount)
        if amount > order.authorized or (amount < order.authorized and "cart" not in body):
            raise Refused(400, "ORDER_CART_DATA_ERROR", "more than is held, or less without the final cart")
        if "cart" in body:
            carts.check(body["cart"], amount)
            order.cart = body["cart"]
        operation = self._add(order, "CAPTURE", "SUCCESS", amount, body, request_id)
        order.captured, order.status = amount, "CAPTURED"
        self.changes.commit(order, "capture", [self._operation(order, operation), self._status(order)], operation)
        return operation

    def cancel(self, order: Order, body: dict[str, Any], request_id: str | None) -> Operation:
        """POST /v1/orders/{id}/cancel."""
        if (known := self._asked_before(order, "void", body, request_id)) is not None:
            return known
        reason = str(body["reason"])
        self._require(order, "AUTHORIZED")
        operation = self._add(order, "VOID", "SUCCESS", order.authorized, body, request_id)
        order.status, order.reason = "VOIDED", reason
        self.changes.commit(order, "void", [self._operation(order, operation), self._status(order)], operation)
        return operation

    def refund(self, order: Order, body: dict[str, Any], request_id: str | None) -> Operation:
        """POST /v2/orders/{id}/refund: open for a while, then a callback."""
        if (known := self._asked_before(order, "refund", body, request_id)) is not None:
            return known
        amount, left = _amount(body["refundAmount"]), order.captured - order.refunded
        self._require(order, "CAPTURED", "PARTIALLY_REFUNDED")
        self._require_quiet(order)
        _enough(amount)
        if amount > left:
            raise Refused(400, "ORDER_CART_DATA_ERROR", f"{amount} to give back of {left}")
        if left > amount:
            _enough(left - amount)
        remains = carts.total(carts.after_refund(order.cart, body.get("targetCart")))
        if remains != left - amount:
            raise Refused(400, "ORDER_CART_DATA_ERROR", f"the target cart comes to {remains}, {left - amount} remain")
        operation = self._add(order, "REFUND", "PENDING", amount, body, request_id)
        operation.target = body.get("targetCart")
        if self._faults.draw(PROVIDER, "refund", "refund_fails_later") is not None:
            operation.details["fails"] = True
        self.changes.commit(order, "refund", [], operation)
        self._finish_later(order.order_id, operation.id)
        return operation

    def rollback(self, order: Order, request_id: str | None) -> None:
        """POST /v1/orders/{id}/rollback: no longer payable; a hold is released, a capture refunded."""
        order.note("rollback", request_id)
        if order.blocked:
            self.changes.put(order)
            return
        now, events = time.time(), []
        for operation in order.operations:
            if operation.status == "PENDING":  # an open refund: everything is refunded at once instead
                operation.status, operation.updated = "FAIL", now
                events.append(self._operation(order, operation))
        if left := order.captured - order.refunded:
            order.operations.append(new_operation("REFUND", "SUCCESS", left, now))
            order.refunded = order.captured
        elif order.status == "AUTHORIZED":
            order.operations.append(new_operation("VOID", "SUCCESS", order.authorized, now))
        changed = order.status != "FAILED"
        order.status, order.blocked = "FAILED", True
        self.changes.commit(order, "rollback", [*events, self._status(order)] if changed else [])

    def act_in_console(self, order: Order, act: ConsoleAct) -> bool:
        """A refund lowers the prices of the cart, as one by amount does."""
        operation = console.perform(order, act)
        if operation is None:
            return False
        events = [self._operation(order, operation), self._status(order)]
        if act.action == "refund":
            operation.details["cart"] = order.cart
            order.cart = carts.lowered(order.cart, operation.amount)
        elif act.action == "undo_refund":
            order.cart = operation.details["cart"]
        elif act.action == "late_failure":
            failed = msgspec.structs.replace(order, status="FAILED")
            events = [serializers.status_event(failed, self._merchant_id, time.time())]
        self.changes.commit(order, "console", events, operation)
        return True

    def resume(self) -> None:
        """Resume the refunds that a former process left open."""
        for order_id, operation_id in self.changes.unfinished():
            self._finish_later(order_id, operation_id)

    def _finish_later(self, order_id: str, operation_id: str) -> None:
        self._later(REFUND_TAKES_S, self._finish, order_id, operation_id)

    def _later(self, delay_s: float, act: Callable[..., None], *arguments: str) -> None:
        asyncio.get_running_loop().call_later(delay_s, act, *arguments)

    def _finish(self, order_id: str, operation_id: str) -> None:
        order = self.changes.find(order_id)
        assert order is not None
        operation = next(o for o in order.operations if o.id == operation_id)
        if operation.status != "PENDING":
            self._ledger.end(operation)
            return
        operation.updated = time.time()
        if operation.details.get("fails"):
            operation.status = "FAIL"
            self.changes.commit(order, "refund", [self._operation(order, operation)], operation)
            return
        operation.status = "SUCCESS"
        operation.details["cart"] = order.cart
        order.cart = carts.after_refund(order.cart, operation.target)
        order.refunded += operation.amount
        assert order.refunded <= order.captured, order_id
        order.status = "REFUNDED" if order.refunded == order.captured else "PARTIALLY_REFUNDED"
        self.changes.commit(order, "refund", [self._operation(order, operation), self._status(order)], operation)

    def _asked_before(
        self, order: Order, operation: str, body: dict[str, Any], request_id: str | None
    ) -> Operation | None:
        """Record the request; the operation that an earlier one with the same id made."""
        order.note(operation, request_id)
        self.changes.put(order)
        key = body.get("externalOperationId")
        found = next((o for o in order.operations if key is not None and o.key == key), None) or next(
            (o for o in order.operations if request_id is not None and o.request == request_id), None
        )
        if found is not None and found.arguments != digest(body):
            raise Refused(409, "DUPLICATE_EXTERNAL_OPERATION_ID", "this id was used with other arguments")
        return found

    def _require(self, order: Order, *statuses: str) -> None:
        if order.status not in statuses:
            raise Refused(409, "ORDER_STATUS_MISMATCH", f"the order is {order.status}")

    def _require_quiet(self, order: Order) -> None:
        if any(o.status == "PENDING" for o in order.operations):
            raise Refused(409, "ANOTHER_OPERATION_IN_PROGRESS", "one operation at a time")

    def _add(
        self, order: Order, type: str, status: str, amount: int, body: dict[str, Any], request_id: str | None
    ) -> Operation:
        operation = new_operation(type, status, amount, time.time())
        operation.key, operation.request = body.get("externalOperationId"), request_id
        operation.arguments = digest(body)
        order.operations.append(operation)
        return operation

    def _status(self, order: Order) -> bytes:
        return serializers.status_event(order, self._merchant_id, time.time())

    def _operation(self, order: Order, operation: Operation) -> bytes:
        return serializers.operation_event(order, operation, self._merchant_id, time.time())


def _check_subscription(body: dict[str, Any]) -> None:
    """Either an interval, or ``isBinding``."""
    interval = body.get("intervalUnit") in INTERVALS and body.get("intervalCount", 0) > 0
    if interval == (body.get("isBinding") is True) or len(body.get("title", "")) > MAX_TITLE:
        raise Refused(400, "VALIDATION_ERROR", "an interval or isBinding, and a title of 30 characters at most")


def _amount(text: str) -> int:
    return from_decimal_string(text, CURRENCY)


def _enough(amount: int) -> None:
    if amount < MINIMUM:
        raise Refused(400, "ORDER_CART_DATA_ERROR", f"{amount}: less than a rouble")
