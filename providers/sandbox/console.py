"""What happens at a provider without a call of ours: the staff acts in its console, and the provider revises itself."""

import time
from typing import Final, Literal

import msgspec

from providers.sandbox.ledger import Operation, Order, new_operation

ConsoleAction = Literal["capture", "refund", "release", "undo_refund", "late_failure"]

#: Fault → the action it causes, after which operations, and in which states of the order.
CONSOLE_FAULTS: Final[dict[str, tuple[ConsoleAction, tuple[str, ...], tuple[str, ...]]]] = {
    "captured_in_console": ("capture", ("pay",), ("AUTHORIZED",)),
    "released_in_console": ("release", ("pay",), ("AUTHORIZED",)),
    "refunded_in_console": ("refund", ("pay", "recur", "capture"), ("CAPTURED",)),
    "failure_after_success": ("late_failure", ("pay", "recur", "capture"), ("AUTHORIZED", "CAPTURED")),
    "refund_undone": ("undo_refund", ("refund",), ("PARTIALLY_REFUNDED", "REFUNDED")),
}
#: How long after the operation, seconds.
CONSOLE_AFTER_S: Final = 0.1


class ConsoleAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``capture``, ``refund``: of ``amount`` minor units, by default of all there is. ``release``: of a hold.
    ``undo_refund``: the last refund that succeeded fails after all. ``late_failure``: nothing happens to the order, but a
    failure is called back, as after another attempt to pay."""

    action: ConsoleAction
    amount: int | None = None


def perform(order: Order, act: ConsoleAct) -> Operation | None:
    """Change the order; the operation made or changed, ``None`` where the order does not allow it."""
    match act.action:
        case "capture":
            return _capture(order, act.amount)
        case "refund":
            return _refund(order, act.amount)
        case "release":
            return _release(order)
        case "undo_refund":
            return _undo_refund(order)
        case "late_failure":
            return order.operations[-1] if order.authorized else None


def _capture(order: Order, amount: int | None) -> Operation | None:
    taken = order.authorized if amount is None else amount
    if order.status != "AUTHORIZED" or not 0 < taken <= order.authorized:
        return None
    order.captured, order.status = taken, "CAPTURED"
    operation = _done(order, "CAPTURE", taken)
    order.details["captured_at"] = operation.created
    return operation


def _refund(order: Order, amount: int | None) -> Operation | None:
    reserved = sum(o.amount for o in order.operations if o.type == "REFUND" and o.status == "PENDING")
    left = order.captured - order.refunded - reserved
    given_back = left if amount is None else amount
    if order.status not in ("CAPTURED", "PARTIALLY_REFUNDED") or not 0 < given_back <= left:
        return None
    operation = _done(order, "REFUND", given_back)
    operation.details = {"metadata": {}, "description": None}
    order.refunded += given_back
    order.status = "REFUNDED" if order.refunded == order.captured else "PARTIALLY_REFUNDED"
    return operation


def _release(order: Order) -> Operation | None:
    if order.status != "AUTHORIZED":
        return None
    order.status, order.blocked = "VOIDED", True
    return _done(order, "VOID", order.authorized)


def _undo_refund(order: Order) -> Operation | None:
    done = [o for o in order.operations if o.type == "REFUND" and o.status == "SUCCESS"]
    if not done or order.status == "FAILED":
        return None
    operation = done[-1]
    operation.status, operation.updated = "FAIL", time.time()
    order.refunded -= operation.amount
    order.status = "PARTIALLY_REFUNDED" if order.refunded else "CAPTURED"
    return operation


def _done(order: Order, type: str, amount: int) -> Operation:
    operation = new_operation(type, "SUCCESS", amount, time.time())
    order.operations.append(operation)
    return operation
