"""The sandbox' orders as Stripe shows them: answers and events.

An order is a Checkout Session with its PaymentIntent, or a PaymentIntent alone; the id shows which.
"""

import time
import uuid
from collections.abc import Collection
from typing import Any, Final

import msgspec

from providers.sandbox.ledger import Operation, Order
from providers.sandbox.movements import Movement
from providers.sandbox.statements import Stated
from providers.statements import LineKind

SESSION: Final = "cs_test_"
INTENT: Final = "pi_"
#: The account's default version of the API.
VERSION: Final = "2025-03-31.basil"
#: Before it a partial capture made a Refund of what it released, and a second movement on the balance.
NO_REVERSALS: Final = "2025-03-31"

_STATUSES: Final = {
    "PENDING": "requires_payment_method",
    "AUTHORIZED": "requires_capture",
    "CAPTURED": "succeeded",
    "PARTIALLY_REFUNDED": "succeeded",
    "REFUNDED": "succeeded",
    "VOIDED": "canceled",
}
_REFUND_STATUSES: Final = {"PENDING": "pending", "SUCCESS": "succeeded", "FAIL": "failed"}


def intent_id(order: Order) -> str:
    """The name of its PaymentIntent."""
    return order.order_id.replace(SESSION, INTENT, 1)


def is_session(order: Order) -> bool:
    """Whether it has a page."""
    return order.order_id.startswith(SESSION)


def has_intent(order: Order) -> bool:
    """Checkout makes the PaymentIntent when the customer first tries to pay."""
    return not is_session(order) or bool(order.operations)


def session_status(order: Order) -> str:
    """``open``, ``complete`` or ``expired``."""
    if order.status == "FAILED":
        return "expired"
    return "open" if order.status == "PENDING" else "complete"


def session(order: Order, url: str, expand: Collection[str] = ()) -> dict[str, Any]:
    """A Checkout Session. ``expand``: the objects to show whole."""
    status = session_status(order)
    shown: Any = None
    if has_intent(order):
        inner = [name.removeprefix("payment_intent.") for name in expand if name.startswith("payment_intent")]
        shown = intent(order, inner) if inner else intent_id(order)
    return {
        "id": order.order_id,
        "object": "checkout.session",
        "amount_subtotal": order.amount,
        "amount_total": order.amount,
        "cancel_url": order.redirect.get("onError"),
        "client_reference_id": order.details.get("client_reference_id"),
        "created": int(order.created),
        "currency": order.currency.lower(),
        "customer": order.details.get("customer"),
        "expires_at": int(order.expires),
        "livemode": False,
        "metadata": order.details.get("session_metadata", {}),
        "mode": "payment",
        "payment_intent": shown,
        "payment_method_types": ["card"],
        "payment_status": "paid" if order.captured else "unpaid",
        "status": status,
        "success_url": order.redirect.get("onSuccess"),
        "url": url if status == "open" else None,
    }


def intent(order: Order, expand: Collection[str] = ()) -> dict[str, Any]:
    """A PaymentIntent. ``expand``: the objects to show whole."""
    status = _STATUSES.get(order.status)
    if status is None:  # FAILED: an expired session takes its PaymentIntent with it; a declined charge may be tried
        status = "canceled" if is_session(order) else "requires_payment_method"
    if order.details.get("unconfirmed"):
        status = "requires_confirmation"
    attempted: Any = None
    if order.operations:
        attempted = charge(order) if "latest_charge" in expand else _charge_id(order)
    return {
        "id": intent_id(order),
        "object": "payment_intent",
        "amount": order.amount,
        "amount_capturable": order.authorized if order.status == "AUTHORIZED" else 0,
        "amount_received": order.captured,
        "canceled_at": int(order.operations[-1].updated) if order.status == "VOIDED" else None,
        "cancellation_reason": order.reason if order.status == "VOIDED" else None,
        "capture_method": "manual" if order.two_stage else "automatic",
        "client_secret": f"{intent_id(order)}_secret_sandbox",
        "confirmation_method": "automatic",
        "created": int(order.created),
        "currency": order.currency.lower(),
        "customer": order.details.get("customer"),
        "last_payment_error": order.details.get("last_error"),
        "latest_charge": attempted,
        "livemode": False,
        "metadata": order.details.get("metadata", {}),
        "payment_method": order.details.get("payment_method"),
        "payment_method_types": ["card"],
        "setup_future_usage": "off_session" if order.details.get("saves") else None,
        "status": status,
    }


def is_refund(operation: Operation) -> bool:
    """Whether there is a Refund object of an operation: also of what a partial capture released, in old versions."""
    return operation.type in ("REFUND", "REVERSAL")


def refund(order: Order, operation: Operation, *, expanded: bool = False) -> dict[str, Any]:
    """A refund. ``expanded``: with its movement on the balance."""
    movement: Any = None
    if operation.status == "SUCCESS":
        movement = _movement_of(order, operation) if expanded else transaction_id(operation.id)
    return {
        "id": operation.id,
        "object": "refund",
        "amount": operation.amount,
        "balance_transaction": movement,
        "charge": _charge_id(order),
        "created": int(operation.created),
        "currency": order.currency.lower(),
        "failure_reason": operation.reason,
        "metadata": operation.details.get("metadata", {}),
        "payment_intent": intent_id(order),
        "reason": "requested_by_customer" if operation.type == "REFUND" else None,
        "status": _REFUND_STATUSES[operation.status],
    }


def _movement_of(order: Order, operation: Operation) -> dict[str, Any]:
    kind = LineKind.REFUND if operation.type == "REFUND" else LineKind.CHARGE
    at = operation.updated
    movement = Movement(operation.id, order.provider, kind, -operation.amount, order.currency, 0, at, at)
    return transaction(Stated(movement, movement), operation.id)


def charge(order: Order) -> dict[str, Any]:
    """The charge, as the event of a refund shows it."""
    refunds = [o.amount for o in order.operations if is_refund(o) and o.status != "FAIL"]
    return {
        "id": _charge_id(order),
        "object": "charge",
        "amount": order.amount,
        "amount_captured": order.captured,
        "amount_refunded": sum(refunds),
        "captured": order.captured > 0,
        "created": int(order.operations[0].created if order.operations else order.created),
        "currency": order.currency.lower(),
        "metadata": order.details.get("charge_metadata", {}),
        "payment_intent": intent_id(order),
        "refunded": sum(refunds) >= order.captured > 0,
        "status": "succeeded",
    }


def transaction_id(id: str) -> str:
    """The name on the balance of a movement, by its id, which is that of the operation."""
    return f"txn_{id.removeprefix('re_').replace('-', '').replace('_', '')}"


#: The sandbox' price: 2.9 % and 30 minor units, on what is taken; refunds give none of it back.
FEE_PER_MILLE: Final = 29
FEE_FIXED: Final = 30


#: Kind of a movement → Stripe's ``reporting_category`` and ``type``.
CATEGORIES: Final[dict[LineKind, tuple[str, str]]] = {
    LineKind.CHARGE: ("charge", "charge"),
    LineKind.REFUND: ("refund", "refund"),
    LineKind.REFUND_UNDONE: ("refund_failure", "refund_failure"),
    LineKind.CHARGEBACK: ("dispute", "adjustment"),
    LineKind.CHARGEBACK_UNDONE: ("dispute_reversal", "adjustment"),
    LineKind.PAYOUT: ("payout", "payout"),
    LineKind.PAYOUT_FAILED: ("payout_reversal", "payout_failure"),
}


def transaction(stated: Stated, source: Any) -> dict[str, Any]:
    """A movement on the balance. Amounts in minor units, refunds negative."""
    movement = stated.movement
    category, type = CATEGORIES[movement.kind]
    if movement.kind is LineKind.CHARGE and movement.amount < 0:
        category, type = "partial_capture_reversal", "refund"
    return {
        "id": transaction_id(movement.id),
        "object": "balance_transaction",
        "amount": movement.amount,
        "available_on": int(movement.shown_at),
        "created": int(movement.shown_at),
        "currency": movement.currency.lower(),
        "fee": movement.fee,
        "net": movement.amount - movement.fee,
        "reporting_category": stated.type or category,
        "source": source,
        "status": "available",
        "type": stated.type or type,
    }


def dispute(order: Order, movement: Movement) -> dict[str, Any]:
    """A dispute, as the source of a movement."""
    return {
        "id": f"dp_{intent_id(order).removeprefix(INTENT)}",
        "object": "dispute",
        "amount": abs(movement.amount),
        "charge": _charge_id(order),
        "currency": order.currency.lower(),
        "metadata": {},
        "payment_intent": intent_id(order),
    }


def event(type: str, shown: dict[str, Any], key: str | None = None) -> bytes:
    """An event, with a name that stays the same however often it is delivered."""
    return msgspec.json.encode(
        {
            "id": f"evt_{uuid.uuid4().hex}",
            "object": "event",
            "api_version": VERSION,
            "created": int(time.time()),
            "data": {"object": shown},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": key},
            "type": type,
        }
    )


def _charge_id(order: Order) -> str:
    return intent_id(order).replace(INTENT, "ch_", 1)
