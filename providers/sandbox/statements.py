"""What a provider's statement of a day lists: the movements of money in the ledger, changed by the faults of statements,
and the register (CSV) that the consoles of providers without list calls give."""

import csv
import io
import math
import uuid
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timezone
from typing import Final, NamedTuple

import msgspec

from billing.money import to_decimal_string
from providers.base import MOSCOW
from providers.sandbox.faults import Faults
from providers.sandbox.ledger import Operation, Order, ProviderLedger
from providers.statements import COLUMNS

#: The operations that move money.
MOVES: Final = ("CAPTURE", "REFUND")
#: The error of ``register_amount``, minor units.
OFF: Final = 100
#: The sandbox' fee of a payment; refunds return none of it.
FEE_PER_MILLE: Final = 28
#: Above every id.
_LAST: Final = "~"
_INVENTED: Final = uuid.UUID("6f1c2a52-6a4e-4c0f-9f0b-8d6d1a3b7c11")


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


def with_statement_faults(found: Iterable[Movement], provider: str, faults: Faults) -> Iterator[Movement]:
    """The movements as the statement shows them, the same at every reading: ``register_missing`` removes one,
    ``register_amount`` changes its amount, ``register_extra`` adds an invented one beside it."""
    for movement in found:
        id = movement.operation.id
        if faults.marks(provider, "register_extra", id):
            yield _invented(movement)
        if faults.marks(provider, "register_missing", id):
            continue
        yield _with_wrong_amount(movement) if faults.marks(provider, "register_amount", id) else movement


def register(ledger: ProviderLedger, faults: Faults, provider: str, day: date) -> str:
    """The register as CSV: captures and refunds that ended on that day."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for order, operation in with_statement_faults(
        movements(ledger.newest(provider, (math.inf, _LAST))), provider, faults
    ):
        ended = datetime.fromtimestamp(operation.updated, timezone(MOSCOW))
        if ended.date() != day:
            continue
        fee = 0 if operation.type == "REFUND" else operation.amount * FEE_PER_MILLE // 1000
        writer.writerow(
            {
                "type": operation.type,
                "order_id": order.order_id,
                "operation_id": operation.id,
                "merchant_operation_id": operation.key or order.details.get("order_id") or "",
                "amount": to_decimal_string(operation.amount, order.currency),
                "fee": to_decimal_string(fee, order.currency),
                "currency": order.currency,
                "time": ended.isoformat(),
            }
        )
    return text.getvalue()


def _with_wrong_amount(movement: Movement) -> Movement:
    order, operation = movement
    wrong = msgspec.structs.replace(operation, amount=operation.amount + OFF)
    if operation.type == "REFUND":
        return Movement(order, wrong)
    return Movement(msgspec.structs.replace(order, captured=order.captured + OFF), wrong)


def _invented(movement: Movement) -> Movement:
    """An invented movement like this one, of an order that does not exist."""
    order, operation = movement
    unnamed = {**operation.details, "metadata": {}}
    invented = msgspec.structs.replace(operation, id=_another(operation.id), key=None, details=unnamed)
    id = _another(order.order_id)
    details = {**order.details, "metadata": {}, "charge_metadata": {}, "client_reference_id": None, "order_id": id}
    return Movement(msgspec.structs.replace(order, order_id=id, operations=[invented], details=details), invented)


def _another(id: str) -> str:
    """An id like this one; the same each time."""
    kind, underscore, _ = id.rpartition("_")
    return f"{kind}{underscore}{uuid.uuid5(_INVENTED, id)}"
