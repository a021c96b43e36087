"""YooKassa's lists: filters, pages and cursors."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from operator import ge, gt, le, lt
from typing import Any, Final

from providers.sandbox.faults import Faults
from providers.sandbox.ledger import Order, ProviderLedger
from providers.sandbox.statements import Movement, movements, with_statement_faults
from providers.sandbox.yookassa import serializers
from providers.sandbox.yookassa.errors import Refused
from providers.sandbox.yookassa.model import PROVIDER

DEFAULT_LIMIT: Final = 10
LIMITS: Final = range(1, 101)
COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {"gte": ge, "gt": gt, "lte": le, "lt": lt}
#: Above every id of a UUID's letters.
LAST: Final = "~"


def payments(
    ledger: ProviderLedger, faults: Faults, query: Mapping[str, str], view: Callable[[Order], dict[str, Any]]
) -> dict[str, Any]:
    """GET /payments, the newest first. By time of capture it is a statement."""
    before = _cursor(query)
    orders: Iterable[Order] = ledger.newest(PROVIDER, before)
    if any(name.startswith("captured_at.") for name in query):
        stated = with_statement_faults(
            movements(ledger.newest(PROVIDER, (math.inf, LAST)), ("CAPTURE",)), PROVIDER, faults
        )
        by_time = sorted((order for order, _ in stated), key=lambda o: (o.created, o.order_id), reverse=True)
        orders = (order for order in by_time if (order.created, order.order_id) < before)
    found = (
        order
        for order in orders
        if _in_time(query, "created_at", order.created)
        and _in_time(query, "captured_at", order.details.get("captured_at"))
        and query.get("status", serializers.STATUSES[order.status]) == serializers.STATUSES[order.status]
    )
    return _page(query, ((order.created, order.order_id, view(order)) for order in found))


def refunds(ledger: ProviderLedger, faults: Faults, query: Mapping[str, str]) -> dict[str, Any]:
    """GET /refunds, the newest first. Without a payment it is a statement."""
    before = _cursor(query)
    all_of_them: Iterable[Movement] = _refunds(ledger, query.get("payment_id"))
    if "payment_id" not in query:
        all_of_them = with_statement_faults(all_of_them, PROVIDER, faults)
    found = sorted(
        (
            (operation.created, operation.id, serializers.refund(order, operation))
            for order, operation in all_of_them
            if (operation.created, operation.id) < before
            and _in_time(query, "created_at", operation.created)
            and query.get("status", serializers.REFUND_STATUSES[operation.status])
            == serializers.REFUND_STATUSES[operation.status]
        ),
        key=lambda row: row[:2],
        reverse=True,
    )
    return _page(query, found)


def _refunds(ledger: ProviderLedger, payment_id: str | None) -> Iterator[Movement]:
    orders: Iterable[Order]
    if payment_id is None:
        orders = ledger.newest(PROVIDER, (math.inf, LAST))
    else:
        order = ledger.find(payment_id)
        orders = [] if order is None else [order]
    return (Movement(order, o) for order in orders for o in order.operations if o.type == "REFUND")


def _page(query: Mapping[str, str], rows: Iterable[tuple[float, str, dict[str, Any]]]) -> dict[str, Any]:
    try:
        limit = int(query.get("limit", DEFAULT_LIMIT))
    except ValueError:
        limit = 0
    if limit not in LIMITS:
        raise Refused(400, "1 to 100", "limit")
    found = list(islice(rows, limit + 1))
    page: dict[str, Any] = {"type": "list", "items": [view for _, _, view in found[:limit]]}
    if len(found) > limit:
        created, id, _ = found[limit - 1]
        page["next_cursor"] = f"{created!r}/{id}"
    return page


def _cursor(query: Mapping[str, str]) -> tuple[float, str]:
    if "cursor" not in query:
        return math.inf, LAST
    created, _, id = query["cursor"].partition("/")
    try:
        return float(created), id
    except ValueError:
        raise Refused(400, "not a cursor", "cursor") from None


def _in_time(query: Mapping[str, str], name: str, at: float | None) -> bool:
    for suffix, compare in COMPARISONS.items():
        text = query.get(f"{name}.{suffix}")
        if text is None:
            continue
        try:
            bound = serializers.unix_s(text)
        except ValueError:
            raise Refused(400, "not a time", f"{name}.{suffix}") from None
        if at is None or not compare(at, bound):
            return False
    return True
