"""Payments at YooKassa, by its rules: the shop's calls, customers' actions, and the callbacks they cause."""

import asyncio
import time
import uuid
from typing import Any, Final

from providers.sandbox import console
from providers.sandbox.changes import Changes, Terms
from providers.sandbox.console import ConsoleAct
from providers.sandbox.context import SandboxContext
from providers.sandbox.faults import DECLINE, METHOD_REVOKED
from providers.sandbox.imitation import is_payable
from providers.sandbox.ledger import Operation, Order, new_operation
from providers.sandbox.yookassa import requests, serializers
from providers.sandbox.yookassa.errors import Refused

PROVIDER: Final = "yookassa"
#: How long a customer has to confirm a payment, seconds.
CONFIRM_S: Final = 3600.0
#: How long a bank card's hold lasts, seconds.
HOLD_S: Final = 7 * 86_400.0
#: How long a refund is open that is not done at once, seconds.
REFUND_TAKES_S: Final = 0.05


class Payments:
    """The payments of one shop. Methods raise :class:`Refused`."""

    def __init__(self, shop_id: str, context: SandboxContext) -> None:
        self.changes = Changes(PROVIDER, context, Terms(serializers.FEE_PERMILLE, refunds_by_creation=True))
        self._faults = context.faults
        self._on_opened = context.on_opened
        self._payment_url = context.payment_url
        self._shop_id = shop_id

    def view(self, order: Order) -> dict[str, Any]:
        """A payment as YooKassa shows it."""
        return serializers.payment(order, self._shop_id, self._payment_url(order.order_id))

    def find(self, payment_id: str) -> Order:
        """A payment by its id."""
        order = self.changes.find(payment_id)
        if order is None:
            raise Refused(404, "no such payment", "payment_id")
        return order

    def open(self, body: dict[str, Any], key: str) -> Order:
        """POST /payments that the customer confirms."""
        url = requests.return_url(body)
        order = self._new(body, CONFIRM_S)
        order.redirect = {"onSuccess": url, "onError": url}
        order.details["method"]["saved"] = bool(body.get("save_payment_method"))
        order.note("create", key)
        self.changes.put(order)
        self._later(CONFIRM_S, order.order_id)
        self._on_opened(order.order_id)
        return order

    def recur(self, body: dict[str, Any], key: str) -> Order:
        """POST /payments with a saved method: done at once, the customer absent."""
        method = self.changes.find(str(body["payment_method_id"]))
        if method is None or not method.authorized or not method.details["method"]["saved"]:
            raise Refused(400, "no such saved method", "payment_method_id")
        order = self._new(body, CONFIRM_S)
        order.details["method"] = method.details["method"]
        order.note("recur", key)
        reason = self._declined(method.order_id)
        if reason is None:
            self._take(order)
        else:
            self._close(order, "FAILED", "payment_network", reason)
            order.operations.append(new_operation("AUTHORIZE", "FAIL", order.amount, time.time(), reason))
        self._commit(order, "recur")
        return order

    def pay(self, order: Order) -> bool:
        """The customer pays; whether the payment could be confirmed."""
        if not is_payable(order):
            return False
        order.customer = "pays"
        self._take(order)
        self._commit(order, "pay")
        return True

    def decline(self, order: Order, reason: str) -> bool:
        """The customer's bank declines, for ``reason``; whether the payment could be paid."""
        if not is_payable(order):
            return False
        order.customer = "declines"
        self._close(order, "FAILED", "payment_network", reason)
        order.operations.append(new_operation("AUTHORIZE", "FAIL", order.amount, time.time(), reason))
        self._commit(order, "pay")
        return True

    def capture(self, order: Order, body: dict[str, Any], key: str) -> Order:
        """POST /payments/{id}/capture; the remainder goes back to the customer."""
        order.note("capture", key)
        amount = requests.amount(body) if "amount" in body else order.authorized
        requests.receipt(body, amount)
        self._require(order, "AUTHORIZED")
        if amount > order.authorized:
            raise Refused(400, "more than is held", "amount")
        self._captured(order, amount, key)
        self._commit(order, "capture")
        return order

    def cancel(self, order: Order, key: str) -> Order:
        """POST /payments/{id}/cancel."""
        order.note("void", key)
        self._require(order, "AUTHORIZED")
        operation = new_operation("VOID", "SUCCESS", order.authorized, time.time())
        operation.key = key
        order.operations.append(operation)
        self._close(order, "VOIDED", "merchant", "canceled_by_merchant")
        self._commit(order, "void")
        return order

    def refund(self, order: Order, body: dict[str, Any], key: str) -> Operation:
        """POST /refunds: done at once, without a fault."""
        order.note("refund", key)
        amount = requests.amount(body)
        requests.receipt(body, amount)
        self._require(order, "CAPTURED", "PARTIALLY_REFUNDED")
        reserved = sum(o.amount for o in order.operations if o.type == "REFUND" and o.status == "PENDING")
        if amount > order.captured - order.refunded - reserved:
            raise Refused(400, "more than is left", "amount")
        operation = new_operation("REFUND", "PENDING", amount, time.time())
        operation.key = key
        operation.details = {"metadata": requests.metadata(body), "description": body.get("description")}
        order.operations.append(operation)
        for fault in ("refund_later", "refund_fails_later"):
            if self._faults.draw(PROVIDER, "refund", fault) is not None:
                operation.details["ends"] = fault
                self.changes.commit(order, "refund", [], operation)
                self._finish_later(order.order_id, operation.id)
                return operation
        self._give_back(order, operation)
        return operation

    def expire(self, order: Order) -> bool:
        """End the time to confirm or to capture; whether the payment ended."""
        if order.status == "AUTHORIZED":
            order.operations.append(new_operation("VOID", "SUCCESS", order.authorized, time.time()))
            self._close(order, "VOIDED", "yoo_money", "expired_on_capture")
        elif order.status == "PENDING":
            self._close(order, "FAILED", "yoo_money", "expired_on_confirmation")
        else:
            return False
        self._commit(order, "expire")
        return True

    def act_in_console(self, order: Order, act: ConsoleAct) -> bool:
        """Of refunds only one that succeeded is notified. A late failure is another attempt's."""
        operation = console.perform(order, act)
        if operation is None:
            return False
        if act.action == "release":
            self._close(order, "VOIDED", "merchant", "canceled_by_merchant")
        view, events = self.view(order), []
        match act.action:
            case "capture" | "release":
                events.append(serializers.notification(f"payment.{view['status']}", view))
            case "refund":
                events.append(serializers.notification("refund.succeeded", serializers.refund(order, operation)))
            case "undo_refund":
                operation.reason = "general_decline"
            case "late_failure":
                details = {"party": "payment_network", "reason": "insufficient_funds"}
                failed = view | {"status": "canceled", "paid": False, "cancellation_details": details}
                events.append(serializers.notification("payment.canceled", failed))
        self.changes.commit(order, "console", events, operation)
        return True

    def resume(self) -> None:
        """Resume the refunds that a former process left open."""
        for order_id, operation_id in self.changes.unfinished():
            self._finish_later(order_id, operation_id)

    def _new(self, body: dict[str, Any], expires_s: float) -> Order:
        amount, now, id = requests.amount(body), time.time(), str(uuid.uuid4())
        order = Order(
            id, PROVIDER, requests.CURRENCY, amount, "PENDING", now, now + expires_s,
            two_stage=not body.get("capture", False), cart=requests.receipt(body, amount),
        )  # fmt: skip
        order.details = {
            "description": requests.description(body),
            "metadata": requests.metadata(body),
            "method": {"id": id, "saved": False},
        }
        return order

    def _declined(self, method: str) -> str | None:
        """The reason with which the bank declines a charge without the customer; ``None``: it accepts."""
        fault = self._faults.of_charge(PROVIDER, method)
        if fault is None:
            return None
        return "permission_revoked" if fault.fault == METHOD_REVOKED else fault.fault.removeprefix(DECLINE)

    def _take(self, order: Order) -> None:
        now = time.time()
        order.authorized, order.status, order.expires = order.amount, "AUTHORIZED", now + HOLD_S
        order.operations.append(new_operation("AUTHORIZE", "SUCCESS", order.amount, now))
        if order.two_stage:
            self._later(HOLD_S, order.order_id)
        else:
            self._captured(order, order.amount, None)

    def _captured(self, order: Order, amount: int, key: str | None) -> None:
        operation = new_operation("CAPTURE", "SUCCESS", amount, time.time())
        operation.key = key
        order.operations.append(operation)
        order.captured, order.status = amount, "CAPTURED"
        order.details["captured_at"] = operation.created

    def _close(self, order: Order, status: str, party: str, reason: str) -> None:
        order.status, order.reason, order.details["party"] = status, reason, party

    def _commit(self, order: Order, cause: str) -> None:
        view = self.view(order)
        self.changes.commit(order, cause, [serializers.notification(f"payment.{view['status']}", view)])

    def _give_back(self, order: Order, operation: Operation) -> None:
        operation.status, operation.updated = "SUCCESS", time.time()
        order.refunded += operation.amount
        assert order.refunded <= order.captured, order.order_id
        order.status = "REFUNDED" if order.refunded == order.captured else "PARTIALLY_REFUNDED"
        event = serializers.notification("refund.succeeded", serializers.refund(order, operation))
        self.changes.commit(order, "refund", [event], operation)

    def _finish_later(self, order_id: str, operation_id: str) -> None:
        asyncio.get_running_loop().call_later(REFUND_TAKES_S, self._finish, order_id, operation_id)

    def _finish(self, order_id: str, operation_id: str) -> None:
        order = self.find(order_id)
        operation = next(o for o in order.operations if o.id == operation_id)
        if operation.details["ends"] == "refund_later":
            self._give_back(order, operation)
            return
        operation.status, operation.updated, operation.reason = "FAIL", time.time(), "general_decline"
        # Only a refund that succeeded is notified.
        self.changes.commit(order, "refund", [], operation)

    def _later(self, delay_s: float, order_id: str) -> None:
        asyncio.get_running_loop().call_later(delay_s, self._expire_overdue, order_id)

    def _expire_overdue(self, order_id: str) -> None:
        order = self.find(order_id)
        if time.time() >= order.expires:
            self.expire(order)

    def _require(self, order: Order, *statuses: str) -> None:
        if order.status not in statuses:
            raise Refused(400, f"the payment is {serializers.STATUSES[order.status]}")
