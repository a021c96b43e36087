"""Payments at Stripe, by its rules: the merchant's calls, customers' actions, and the callbacks they cause."""

import asyncio
import time
import uuid
from collections.abc import Collection, Mapping
from typing import Any, Final

from providers.sandbox import console
from providers.sandbox.changes import Changes, Terms
from providers.sandbox.console import ConsoleAct
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import is_payable
from providers.sandbox.ledger import Operation, Order, new_operation
from providers.sandbox.stripe import parameters, requests, serializers
from providers.sandbox.stripe.methods import Methods, card_error, declined
from providers.sandbox.stripe.parameters import Refused, invalid
from providers.sandbox.stripe.requests import PROVIDER

#: How long a card's hold lasts, seconds.
HOLD_S: Final = 7 * 86_400.0
#: How long a refund is open that is not done at once, seconds.
REFUND_TAKES_S: Final = 0.05


class Payments:
    """The payments of one account. Methods raise :class:`Refused`. A declined card leaves a Checkout Session open:
    the customer may try another one."""

    def __init__(self, context: SandboxContext) -> None:
        self.changes = Changes(PROVIDER, context, Terms(serializers.FEE_PER_MILLE, serializers.FEE_FIXED))
        self._faults = context.faults
        self._on_opened = context.on_opened
        self._payment_url = context.payment_url
        self._methods = Methods(context.ledger, context.faults)

    def session(self, order: Order, expand: Collection[str] = ()) -> dict[str, Any]:
        """A Checkout Session as Stripe shows it. ``expand``: the objects to show whole."""
        return serializers.session(order, self._payment_url(order.order_id), expand)

    def find(self, id: str, param: str) -> Order:
        """By the id of its session or its PaymentIntent."""
        order = self.changes.find(id)
        if order is None and id.startswith(serializers.INTENT):
            order = self.changes.find(id.replace(serializers.INTENT, serializers.SESSION, 1))
            order = order if order is not None and serializers.has_intent(order) else None
        if order is None:
            raise Refused(404, "invalid_request_error", f"No such object: '{id}'", "resource_missing", param=param)
        return order

    def open(self, params: Mapping[str, Any], key: str | None) -> Order:
        """POST /v1/checkout/sessions."""
        order = requests.session(params)
        order.note("create", key)
        self._put(order, key)
        self._later(order.expires - time.time(), order.order_id)
        self._on_opened(order.order_id)
        return order

    def create(self, params: Mapping[str, Any], key: str | None) -> Order:
        """POST /v1/payment_intents: with ``confirm`` it is charged at once."""
        order, confirms = requests.intent(params), parameters.flag(params, "confirm")
        order.details["unconfirmed"] = not confirms
        if confirms:
            return self._charge(order, params, key)
        order.note("create", key)
        self._put(order, key)
        return order

    def confirm(self, order: Order, params: Mapping[str, Any], key: str | None) -> Order:
        """POST /v1/payment_intents/{id}/confirm."""
        if serializers.is_session(order) or order.status not in ("PENDING", "FAILED"):
            raise self._unexpected(order)
        order.details |= {"unconfirmed": False}
        if "payment_method" in params:
            order.details["payment_method"] = params["payment_method"]
        return self._charge(order, params, key)

    def pay(self, order: Order) -> bool:
        """The customer pays; whether the session could be paid."""
        if not is_payable(order):
            return False
        order.customer = "pays"
        seed = order.order_id.removeprefix(serializers.SESSION)
        if order.details["saves"]:
            self._methods.save(order, seed)
        else:
            order.details["payment_method"] = f"pm_{seed}"
        self._take(order, None)
        completed = serializers.event("checkout.session.completed", self.session(order))
        self.changes.commit(order, "pay", [self._taken(order, None), completed])
        return True

    def decline(self, order: Order, reason: str) -> bool:
        """The customer's bank declines, for ``reason``; whether the payment could be paid."""
        if not is_payable(order):
            return False
        order.customer = "declines"
        self._fail(order, reason)
        self.changes.commit(order, "pay", [self._event("payment_intent.payment_failed", order, None)])
        return True

    def capture(self, order: Order, params: Mapping[str, Any], key: str | None, *, reverses: bool = False) -> Order:
        """POST /v1/payment_intents/{id}/capture; the remainder goes back to the customer. ``reverses``: as a Refund, in
        versions of the API before 2025-03-31.basil."""
        order.note("capture", key)
        if order.status != "AUTHORIZED":
            raise self._unexpected(order)
        amount = order.authorized
        if "amount_to_capture" in params:
            amount = parameters.money(params, "amount_to_capture", order.currency)
        if not 0 < amount <= order.authorized:
            raise invalid("more than can be captured", "amount_to_capture", "amount_too_large")
        order.details["metadata"] = order.details["metadata"] | parameters.nested(params, "metadata")
        operation = self._add(order, "CAPTURE", "SUCCESS", amount, key)
        released = order.authorized - amount
        order.captured, order.status = amount, "CAPTURED"
        events = [self._event("payment_intent.succeeded", order, key)]
        if reverses and released:
            operation.amount = order.authorized
            reversal = self._add(order, "REVERSAL", "SUCCESS", released, None)
            reversal.id = f"re_{uuid.uuid4().hex}"
            events.append(serializers.event("charge.refunded", serializers.charge(order), key))
            events.append(serializers.event("refund.updated", serializers.refund(order, reversal), key))
        self.changes.commit(order, "capture", events, operation)
        return order

    def cancel(self, order: Order, key: str | None) -> Order:
        """POST /v1/payment_intents/{id}/cancel."""
        order.note("void", key)
        unpaid = order.status in ("PENDING", "FAILED") and not serializers.is_session(order)
        if order.status != "AUTHORIZED" and not unpaid:
            raise self._unexpected(order)
        operation = self._add(order, "VOID", "SUCCESS", order.authorized, key)
        order.status, order.blocked = "VOIDED", True
        self.changes.commit(order, "void", [self._event("payment_intent.canceled", order, key)], operation)
        return order

    def refund(self, params: Mapping[str, Any], key: str | None) -> tuple[Order, Operation]:
        """POST /v1/refunds: done at once, without a fault."""
        order = self.find(parameters.text(params, "payment_intent"), "payment_intent")
        order.note("refund", key)
        if not order.captured:
            raise invalid("This PaymentIntent does not have a successful charge to refund.", "payment_intent")
        under_way = sum(o.amount for o in order.operations if o.type == "REFUND" and o.status == "PENDING")
        left = order.captured - order.refunded - under_way
        if not left:
            raise Refused(400, "invalid_request_error", "Charge has already been refunded.", "charge_already_refunded")
        amount = parameters.money(params, "amount", order.currency) if "amount" in params else left
        if not 0 < amount <= left:
            raise Refused(400, "invalid_request_error", f"{amount} to refund of {left}", param="amount")
        operation = self._add(order, "REFUND", "PENDING", amount, key)
        operation.id = f"re_{uuid.uuid4().hex}"
        operation.details["metadata"] = parameters.nested(params, "metadata")
        for fault in ("refund_later", "refund_fails_later"):
            if self._faults.draw(PROVIDER, "refund", fault) is not None:
                operation.details["ends"] = fault
                self._commit_refund(order, operation, "refund.created", key)
                self._finish_later(order.order_id, operation.id)
                return order, operation
        self._give_back(order, operation)
        self._commit_refund(order, operation, "refund.created", key)
        return order, operation

    def expire(self, order: Order, key: str | None = None, cause: str = "expire") -> bool:
        """End the time to pay or to capture; whether the payment ended."""
        if order.status == "PENDING" and serializers.is_session(order):
            order.status, order.blocked = "FAILED", True
            event = serializers.event("checkout.session.expired", self.session(order), key)
        elif order.status == "AUTHORIZED":
            self._add(order, "VOID", "SUCCESS", order.authorized, None)
            order.status, order.blocked, order.reason = "VOIDED", True, "expired"
            event = self._event("payment_intent.canceled", order, key)
        else:
            return False
        self.changes.commit(order, cause, [event])
        return True

    def act_in_console(self, order: Order, act: ConsoleAct) -> bool:
        """A late failure is that of another attempt to pay: a declined card, and a page that expired."""
        operation = console.perform(order, act)
        if operation is None:
            return False
        if act.action == "refund":
            operation.id = f"re_{uuid.uuid4().hex}"
        if act.action in ("capture", "release"):
            event = "payment_intent.succeeded" if act.action == "capture" else "payment_intent.canceled"
            events = [self._event(event, order, None)]
        elif act.action == "late_failure":
            failed = {"status": "requires_payment_method", "last_payment_error": card_error("insufficient_funds")}
            events = [
                serializers.event("payment_intent.payment_failed", serializers.intent(order) | failed),
                serializers.event("checkout.session.expired", self.session(order) | {"status": "expired"}),
            ]
        else:
            operation.reason = "expired_or_canceled_card" if act.action == "undo_refund" else None
            event = "refund.failed" if act.action == "undo_refund" else "refund.created"
            events = [serializers.event(event, serializers.refund(order, operation))]
            if act.action == "refund":
                events.append(serializers.event("charge.refunded", serializers.charge(order)))
        self.changes.commit(order, "console", events, operation)
        return True

    def resume(self) -> None:
        """Resume the refunds that a former process left open."""
        for order_id, operation_id in self.changes.unfinished():
            self._finish_later(order_id, operation_id)

    def _charge(self, order: Order, params: Mapping[str, Any], key: str | None) -> Order:
        off_session = parameters.flag(params, "off_session")
        cause = "recur" if off_session else "create"
        reason = self._methods.verdict(order, off_session=off_session)
        order.note(cause, key)
        if reason is None:
            self._take(order, key)
            self.changes.commit(order, cause, [self._taken(order, key)], order.operations[0])
            return order
        operation = self._fail(order, reason)
        operation.key = key
        order.status = "FAILED"
        self.changes.commit(order, cause, [self._event("payment_intent.payment_failed", order, key)], operation)
        raise declined(reason, payment_intent=serializers.intent(order))

    def _take(self, order: Order, key: str | None) -> None:
        now = time.time()
        order.authorized, order.status, order.expires = order.amount, "AUTHORIZED", now + HOLD_S
        order.details["last_error"] = None
        self._add(order, "AUTHORIZE", "SUCCESS", order.amount, key)
        if order.two_stage:
            self._later(HOLD_S, order.order_id)
            return
        order.captured, order.status = order.amount, "CAPTURED"
        self._add(order, "CAPTURE", "SUCCESS", order.amount, None)

    def _taken(self, order: Order, key: str | None) -> bytes:
        held = order.status == "AUTHORIZED"
        return self._event(f"payment_intent.{'amount_capturable_updated' if held else 'succeeded'}", order, key)

    def _fail(self, order: Order, reason: str) -> Operation:
        order.reason, order.details["last_error"] = reason, card_error(reason)
        operation = new_operation("AUTHORIZE", "FAIL", order.amount, time.time(), reason)
        order.operations.append(operation)
        return operation

    def _give_back(self, order: Order, operation: Operation) -> None:
        operation.status, operation.updated = "SUCCESS", time.time()
        order.refunded += operation.amount
        assert order.refunded <= order.captured, order.order_id
        order.status = "REFUNDED" if order.refunded == order.captured else "PARTIALLY_REFUNDED"

    def _commit_refund(self, order: Order, operation: Operation, event: str, key: str | None) -> None:
        events = [serializers.event(event, serializers.refund(order, operation), key)]
        if event == "refund.created":
            events.append(serializers.event("charge.refunded", serializers.charge(order), key))
        self.changes.commit(order, "refund", events, operation)

    def _finish_later(self, order_id: str, operation_id: str) -> None:
        asyncio.get_running_loop().call_later(REFUND_TAKES_S, self._finish, order_id, operation_id)

    def _finish(self, order_id: str, operation_id: str) -> None:
        order = self.find(order_id, "id")
        operation = next(o for o in order.operations if o.id == operation_id)
        if operation.details["ends"] == "refund_later":
            self._give_back(order, operation)
            self._commit_refund(order, operation, "refund.updated", None)
            return
        operation.status, operation.updated, operation.reason = "FAIL", time.time(), "expired_or_canceled_card"
        self._commit_refund(order, operation, "refund.failed", None)

    def _later(self, delay_s: float, order_id: str) -> None:
        asyncio.get_running_loop().call_later(delay_s, self._expire_overdue, order_id)

    def _expire_overdue(self, order_id: str) -> None:
        order = self.find(order_id, "id")
        if time.time() >= order.expires:
            self.expire(order)

    def _put(self, order: Order, key: str | None) -> None:
        """Write a new order, so that a repeat of the key finds it."""
        self.changes.put(order)
        if key is not None:
            self.changes.index(order, key)

    def _add(self, order: Order, type: str, status: str, amount: int, key: str | None) -> Operation:
        operation = new_operation(type, status, amount, time.time())
        operation.key = key
        order.operations.append(operation)
        return operation

    def _event(self, type: str, order: Order, key: str | None) -> bytes:
        return serializers.event(type, serializers.intent(order), key)

    def _unexpected(self, order: Order) -> Refused:
        shown = serializers.intent(order)
        message = f"This PaymentIntent's status is {shown['status']}"
        code = "payment_intent_unexpected_state"
        return Refused(400, "invalid_request_error", message, code, payment_intent=shown)
