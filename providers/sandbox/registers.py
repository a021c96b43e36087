"""The file that a provider's console gives of a day: who has no list calls settles by it."""

import csv
import io
import math
from datetime import date, datetime, timezone
from typing import Final

from billing.money import to_decimal_string
from providers.base import MOSCOW
from providers.sandbox.faults import Faults
from providers.sandbox.ledger import Book
from providers.sandbox.movements import as_told, movements
from providers.statements import COLUMNS

#: The sandbox' price of a payment; refunds give none of it back.
FEE_PER_MILLE: Final = 28
#: Above every id.
_LAST: Final = "~"


def register(book: Book, faults: Faults, provider: str, day: date) -> str:
    """The register as CSV: captures and refunds that ended on that day."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for order, operation in as_told(movements(book.newest(provider, (math.inf, _LAST))), provider, faults):
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
