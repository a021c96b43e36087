"""Movements of money as a provider's statement tells them, and what the faults of statements make of them."""

import uuid
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from providers.sandbox.faults import Faults
from providers.sandbox.ledger import Operation, Order

#: What money moves by.
MOVES: Final = ("CAPTURE", "REFUND")
#: How much ``register_amount`` is off, minor units.
OFF: Final = 100
_STRANGERS: Final = uuid.UUID("6f1c2a52-6a4e-4c0f-9f0b-8d6d1a3b7c11")


class Movement(NamedTuple):
    """A capture or refund that succeeded, with its order."""

    order: Order
    operation: Operation


def movements(orders: Iterable[Order], types: tuple[str, ...] = MOVES) -> Iterator[Movement]:
    """All of these orders."""
    return (
        Movement(order, operation)
        for order in orders
        for operation in order.operations
        if operation.status == "SUCCESS" and operation.type in types
    )


def as_told(found: Iterable[Movement], provider: str, faults: Faults) -> Iterator[Movement]:
    """What the statement says of them, the same at every reading: without those that ``register_missing`` strikes, by
    another amount with ``register_amount``, and with a stranger beside those that ``register_extra`` strikes."""
    for movement in found:
        id = movement.operation.id
        if faults.marks(provider, "register_extra", id):
            yield _stranger(movement)
        if faults.marks(provider, "register_missing", id):
            continue
        yield _misquoted(movement) if faults.marks(provider, "register_amount", id) else movement


def _misquoted(movement: Movement) -> Movement:
    order, operation = movement
    wrong = msgspec.structs.replace(operation, amount=operation.amount + OFF)
    if operation.type == "REFUND":
        return Movement(order, wrong)
    return Movement(msgspec.structs.replace(order, captured=order.captured + OFF), wrong)


def _stranger(movement: Movement) -> Movement:
    """The same of an order that nobody opened, with nothing that names ours."""
    order, operation = movement
    unnamed = {**operation.details, "metadata": {}}
    stranger = msgspec.structs.replace(operation, id=_another(operation.id), key=None, details=unnamed)
    id = _another(order.order_id)
    details = {**order.details, "metadata": {}, "charge_metadata": {}, "client_reference_id": None, "order_id": id}
    return Movement(msgspec.structs.replace(order, order_id=id, operations=[stranger], details=details), stranger)


def _another(id: str) -> str:
    """An id like this one; the same each time."""
    kind, underscore, _ = id.rpartition("_")
    return f"{kind}{underscore}{uuid.uuid5(_STRANGERS, id)}"
