"""How an imitated provider changes its orders: an order, its operation and its callbacks are written in one transaction."""

import re
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from providers.sandbox.context import SandboxContext
from providers.sandbox.ledger import Operation, Order
from providers.sandbox.movements import Movement
from providers.statements import LineKind

#: All that merchants name at a provider here is named by a UUID.
_OUR_ID: Final = re.compile(rb'"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')


#: Operation that moves money → the kind and the sign of its movement. ``REVERSAL``: of what a partial capture releases.
_MOVES: Final = {"CAPTURE": (LineKind.CHARGE, 1), "REFUND": (LineKind.REFUND, -1), "REVERSAL": (LineKind.CHARGE, -1)}


class Terms(NamedTuple):
    """What the provider keeps of a charge: thousandths of it, and minor units beside that; refunds give none of it back.
    ``refunds_by_creation``: its statements date a refund by its request."""

    fee_per_mille: int = 28
    fee_fixed: int = 0
    refunds_by_creation: bool = False


USUAL: Final = Terms()


class Changes:
    """One provider's orders in the ledger."""

    def __init__(self, provider: str, context: SandboxContext, terms: Terms = USUAL) -> None:
        self._terms = terms
        self._provider = provider
        self._ledger = context.ledger
        self._faults = context.faults
        self._deliver = context.deliver
        self._on_changed = context.on_changed

    def find(self, order_id: str) -> Order | None:
        """One order of this provider."""
        order = self._ledger.find(order_id)
        return order if order is not None and order.provider == self._provider else None

    def put(self, order: Order) -> None:
        """Write an order."""
        with self._ledger.change():
            self._ledger.put(order)

    def index(self, order: Order, key: str) -> None:
        """Index an order by the key that opened it."""
        with self._ledger.change():
            self._ledger.index(order, key)

    def abandon_checkout(self, order: Order) -> bool:
        """Note that the customer closed the page."""
        if order.customer is None:
            order.customer = "walks_away"
            self.put(order)
        return True

    def commit(self, order: Order, cause: str, events: Sequence[bytes], operation: Operation | None = None) -> None:
        """Write the order, its new or changed operation and its callbacks, then deliver them. ``cause``: the requested
        operation, or ``pay``; faults on it drop, double or delay the callbacks."""
        deliveries = []
        with self._ledger.change():
            self._ledger.put(order)
            self._ledger.movements.add(list(self._movements(order, cause)))
            if operation is not None:
                if operation.key:
                    self._ledger.index(order, operation.key, operation.id)
                if operation.status == "PENDING":
                    self._ledger.begin(order, operation)
                else:
                    self._ledger.end(operation)
            for event in events:
                if self._faults.draw(self._provider, cause, "callback_lost") is not None:
                    continue
                if self._faults.draw(self._provider, cause, "callback_with_nul") is not None:
                    event = _OUR_ID.sub(rb'"\1\\u0000"', event)  # noqa: PLW2901
                copies = 2 if self._faults.draw(self._provider, cause, "callback_twice") is not None else 1
                due = time.time() + self._faults.overtaken_s(self._provider, cause)
                deliveries += [self._ledger.add_delivery(order, event, due) for _ in range(copies)]
        self._deliver(deliveries)
        self._on_changed(order, cause)

    def _movements(self, order: Order, cause: str) -> Iterator[Movement]:
        """What the order's operations moved; most of it is there already."""
        known, offset_s = self._ledger.movements, self._ledger.movements.offset_s
        for operation in order.operations:
            if operation.type not in _MOVES:
                continue
            kind, sign = _MOVES[operation.type]
            id, amount, fee = operation.id, sign * operation.amount, 0
            at = operation.updated
            fault = f"{operation.type.lower()}_in_console" if cause == "console" else None
            if operation.status == "FAIL" and kind is LineKind.REFUND and known.knows(id):
                id, kind, amount, fault = f"{id}_undone", LineKind.REFUND_UNDONE, operation.amount, "refund_undone"
            elif operation.status != "SUCCESS":
                continue
            elif kind is LineKind.REFUND and self._terms.refunds_by_creation:
                at = operation.created
            elif operation.type == "CAPTURE":
                fee = amount * self._terms.fee_per_mille // 1000 + self._terms.fee_fixed
            yield Movement(
                id, self._provider, kind, amount, order.currency, fee, at + offset_s, at + offset_s,
                order_id=order.order_id, operation_id=operation.id,
                key=operation.key or order.details.get("order_id") or "", fault=fault,
            )  # fmt: skip

    def unfinished(self) -> list[tuple[str, str]]:
        """(order id, operation id) of the open operations, after a restart."""
        return self._ledger.unfinished(self._provider)
