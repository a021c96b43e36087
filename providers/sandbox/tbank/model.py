"""Payments at T-Bank, by its rules: the shop's calls, customers' actions, and the callbacks they cause."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from providers.sandbox import console
from providers.sandbox.changes import Changes
from providers.sandbox.console import ConsoleAct
from providers.sandbox.context import SandboxContext
from providers.sandbox.faults import DECLINE, METHOD_REVOKED
from providers.sandbox.imitation import is_payable
from providers.sandbox.ledger import Operation, Order, new_operation
from providers.sandbox.tbank import serializers
from providers.sandbox.tbank.errors import (
    NO_PAYMENT,
    TOO_LITTLE,
    WRONG_FIELD,
    WRONG_RECEIPT,
    WRONG_STATE,
    Refused,
)

PROVIDER: Final = "tbank"
CURRENCY: Final = "RUB"
#: One rouble, in kopecks.
MINIMUM: Final = 100
MAX_ORDER_ID: Final = 36
#: How long a page can be paid on without RedirectDueDate, and at least with it; seconds.
DEFAULT_TTL_S: Final = 86_400.0
MIN_TTL_S: Final = 60.0
#: How long a hold lasts, seconds.
HOLD_S: Final = 7 * 86_400.0
#: How long a refund is open that is not done at once, seconds.
REFUND_TAKES_S: Final = 0.05
#: The code of a charge whose method was revoked: the bank declines without a reason.
REVOKED: Final = "1005"


class Payments:
    """The payments of one terminal. Methods raise :class:`Refused`."""

    def __init__(self, terminal_key: str, context: SandboxContext) -> None:
        self.changes = Changes(PROVIDER, context)
        self._ledger = context.ledger
        self._faults = context.faults
        self._on_opened = context.on_opened
        self._terminal_key = terminal_key

    def find(self, payment_id: Any) -> Order:
        """A payment by its id."""
        order = self.changes.find(str(payment_id))
        if order is None:
            raise Refused(NO_PAYMENT, "no such payment")
        return order

    def of_order(self, order_id: str) -> list[Order]:
        """Every payment that Init made for an order."""
        return [self.find(id) for id in self._ids(order_id)]

    def init(self, body: Mapping[str, Any]) -> Order:
        """Init. Asked again for the same order it makes another payment."""
        amount, order_id, now = _amount(body), str(body.get("OrderId", "")), time.time()
        if not 1 <= len(order_id) <= MAX_ORDER_ID or body.get("PayType", "O") not in ("O", "T"):
            raise Refused(WRONG_FIELD, "OrderId or PayType")
        if body.get("Recurrent") == "Y" and not body.get("CustomerKey"):
            raise Refused(WRONG_FIELD, "CustomerKey")
        _check_receipt(body, amount)
        order = Order(
            str(10**10 + uuid.uuid4().int % 10**10), PROVIDER, CURRENCY, amount, "PENDING", now, _due(body, now),
            two_stage=body.get("PayType") == "T",
            redirect={"onSuccess": str(body.get("SuccessURL", "")), "onError": str(body.get("FailURL", ""))},
        )  # fmt: skip
        order.details = {
            "order_id": order_id,
            "recurrent": body.get("Recurrent") == "Y",
            "description": str(body.get("Description", "Payment")),
        }
        order.note("create", order_id)
        ids = msgspec.json.encode([*self._ids(order_id), order.order_id])
        with self._ledger.change():
            self._ledger.remember(f"{PROVIDER}/order/{order_id}", ids)
            self.changes.put(order)
        self._later(order.expires - now, order.order_id)
        self._on_opened(order.order_id)
        return order

    def pay(self, order: Order) -> bool:
        """The customer pays; whether the payment could be paid."""
        if not is_payable(order):
            return False
        order.customer = "pays"
        if order.details["recurrent"]:
            order.details["rebill_id"] = order.order_id
            self._ledger.remember(f"{PROVIDER}/rebill/{order.order_id}", order.order_id.encode())
        self._take(order, "pay")
        return True

    def decline(self, order: Order, code: str, cause: str = "pay") -> bool:
        """The bank declines with ``code``; whether the payment could be paid."""
        if not is_payable(order):
            return False
        order.status, order.reason = "FAILED", code
        order.customer = "declines" if cause == "pay" else None
        order.operations.append(new_operation("AUTHORIZE", "FAIL", order.amount, time.time(), code))
        self.changes.commit(order, cause, [self._notification(order)])
        return True

    def charge(self, order: Order, rebill_id: str) -> Order:
        """Charge: at once, the customer absent."""
        order.note("recur", order.details["order_id"])
        if order.status != "PENDING":
            raise self._wrong_state(order)
        if self._ledger.recall(f"{PROVIDER}/rebill/{rebill_id}") is None:
            raise Refused(NO_PAYMENT, "no such RebillId")
        fault = self._faults.of_charge(PROVIDER, rebill_id)
        if fault is None:
            self._take(order, "recur")
            return order
        code = REVOKED if fault.fault == METHOD_REVOKED else fault.fault.removeprefix(DECLINE)
        self.decline(order, code, "recur")
        raise Refused(code, "declined by the bank", serializers.status(order))

    def confirm(self, order: Order, body: Mapping[str, Any]) -> Order:
        """Confirm: a smaller amount releases the rest."""
        order.note("capture", None)
        self.changes.put(order)
        if order.status != "AUTHORIZED":
            raise self._wrong_state(order)
        amount = _amount(body) if "Amount" in body else order.authorized
        if amount > order.authorized:
            raise Refused(WRONG_FIELD, "more than is held")
        _check_receipt(body, amount)
        self._add(order, "CAPTURE", "SUCCESS", amount)
        order.captured, order.status = amount, "CAPTURED"
        self.changes.commit(order, "capture", [self._notification(order)])
        return order

    def cancel(self, order: Order, body: Mapping[str, Any]) -> Order:
        """Cancel: an unpaid payment, a hold, or what was captured. A repeat with the same ``ExternalRequestId`` is
        answered with the state of the payment."""
        key = str(body.get("ExternalRequestId") or "") or None
        cause = cancels(order)
        order.note(cause, key)
        self.changes.put(order)
        if key is not None and any(o.key == key for o in order.operations):
            return order
        if order.status in ("PENDING", "AUTHORIZED"):
            self._release(order, body, key, cause)
        elif order.status in ("CAPTURED", "PARTIALLY_REFUNDED"):
            self._refund(order, body, key)
        else:
            raise self._wrong_state(order)
        return order

    def expire(self, order: Order) -> bool:
        """End the time to pay or to confirm; whether the payment ended."""
        if order.status == "AUTHORIZED":
            self._add(order, "VOID", "SUCCESS", order.authorized)
            order.status = "VOIDED"
        elif order.status == "PENDING":
            order.status, order.details["expired"] = "FAILED", True
        else:
            return False
        self.changes.commit(order, "expire", [self._notification(order)])
        return True

    def act_in_console(self, order: Order, act: ConsoleAct) -> bool:
        """A late failure is that of a first card, after which a second one paid."""
        operation = console.perform(order, act)
        if operation is None:
            return False
        event = self._notification(order)
        if act.action == "late_failure":
            fields = msgspec.json.decode(event)
            event = msgspec.json.encode(fields | {"Success": False, "Status": "REJECTED", "ErrorCode": "1051"})
        self.changes.commit(order, "console", [event], operation)
        return True

    def resume(self) -> None:
        """Resume the refunds that a former process left open."""
        for order_id, operation_id in self.changes.unfinished():
            self._finish_later(order_id, operation_id)

    def _take(self, order: Order, cause: str) -> None:
        """Hold, and in one stage take as well: both notifications go out at the same time."""
        now = time.time()
        order.authorized, order.status, order.expires = order.amount, "AUTHORIZED", now + HOLD_S
        order.operations.append(new_operation("AUTHORIZE", "SUCCESS", order.amount, now))
        events = [self._notification(order)]
        if order.two_stage:
            self._later(HOLD_S, order.order_id)
        else:
            self._add(order, "CAPTURE", "SUCCESS", order.amount)
            order.captured, order.status = order.amount, "CAPTURED"
            events.append(self._notification(order))
        self.changes.commit(order, cause, events)

    def _release(self, order: Order, body: Mapping[str, Any], key: str | None, cause: str) -> None:
        if "Amount" in body and _amount(body) != order.amount:
            raise Refused(WRONG_FIELD, "only whole holds are released here")
        operation = self._add(order, "VOID", "SUCCESS", order.authorized, key)
        order.status, order.blocked = "VOIDED", True
        self.changes.commit(order, cause, [self._notification(order)], operation)

    def _refund(self, order: Order, body: Mapping[str, Any], key: str | None) -> None:
        under_way = sum(o.amount for o in order.operations if o.type == "REFUND" and o.status == "PENDING")
        left = order.captured - order.refunded - under_way
        amount = _amount(body) if "Amount" in body else left
        if not 0 < amount <= left:
            raise Refused(WRONG_FIELD, "more than is left")
        _check_receipt(body, amount)
        operation = self._add(order, "REFUND", "PENDING", amount, key)
        for fault in ("refund_later", "refund_fails_later"):
            if self._faults.draw(PROVIDER, "refund", fault) is not None:
                operation.details["ends"] = fault
                self.changes.commit(order, "refund", [], operation)
                self._finish_later(order.order_id, operation.id)
                return
        self._give_back(order, operation)

    def _give_back(self, order: Order, operation: Operation) -> None:
        operation.status, operation.updated = "SUCCESS", time.time()
        order.refunded += operation.amount
        assert order.refunded <= order.captured, order.order_id
        order.status = "REFUNDED" if order.refunded == order.captured else "PARTIALLY_REFUNDED"
        self.changes.commit(order, "refund", [self._notification(order)], operation)

    def _finish(self, order_id: str, operation_id: str) -> None:
        order = self.find(order_id)
        operation = next(o for o in order.operations if o.id == operation_id)
        if operation.details["ends"] == "refund_later":
            self._give_back(order, operation)
            return
        operation.status, operation.updated, operation.reason = "FAIL", time.time(), "1005"
        self.changes.commit(order, "refund", [self._notification(order)], operation)

    def _finish_later(self, order_id: str, operation_id: str) -> None:
        asyncio.get_running_loop().call_later(REFUND_TAKES_S, self._finish, order_id, operation_id)

    def _later(self, delay_s: float, order_id: str) -> None:
        asyncio.get_running_loop().call_later(delay_s, self._expire_overdue, order_id)

    def _expire_overdue(self, order_id: str) -> None:
        order = self.find(order_id)
        if time.time() >= order.expires:
            self.expire(order)

    def _ids(self, order_id: str) -> list[str]:
        stored = self._ledger.recall(f"{PROVIDER}/order/{order_id}")
        return [] if stored is None else msgspec.json.decode(stored, type=list[str])

    def _add(self, order: Order, type: str, status: str, amount: int, key: str | None = None) -> Operation:
        operation = new_operation(type, status, amount, time.time())
        operation.key = key
        order.operations.append(operation)
        return operation

    def _notification(self, order: Order) -> bytes:
        return serializers.notification(order, self._terminal_key)

    def _wrong_state(self, order: Order) -> Refused:
        return Refused(WRONG_STATE, f"the payment is {serializers.status(order)}", serializers.status(order))


def cancels(order: Order) -> str:
    """What Cancel would do to an order now, as faults and the ledger call it."""
    return {"PENDING": "rollback", "AUTHORIZED": "void"}.get(order.status, "refund")


def _amount(body: Mapping[str, Any]) -> int:
    amount = body.get("Amount")
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise Refused(WRONG_FIELD, "Amount")
    if amount < MINIMUM:
        raise Refused(TOO_LITTLE, "less than a rouble")
    return amount


def _due(body: Mapping[str, Any], now: float) -> float:
    if "RedirectDueDate" not in body:
        return now + DEFAULT_TTL_S
    try:
        due = datetime.fromisoformat(body["RedirectDueDate"]).timestamp()
    except (TypeError, ValueError):
        raise Refused(WRONG_FIELD, "RedirectDueDate") from None
    if due < now + MIN_TTL_S:
        raise Refused(WRONG_FIELD, "RedirectDueDate")
    return due


def _check_receipt(body: Mapping[str, Any], total: int) -> None:
    receipt = body.get("Receipt")
    if receipt is None:
        return
    try:
        lines = sum(item["Amount"] for item in receipt["Items"])
        addressed = bool(receipt.get("Email") or receipt.get("Phone")) and bool(receipt["Taxation"])
    except (LookupError, TypeError) as error:
        raise Refused(WRONG_FIELD, repr(error)) from error
    if lines != total or not addressed:
        raise Refused(WRONG_RECEIPT, f"the lines come to {lines}, the amount is {total}")
