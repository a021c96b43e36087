"""YooKassa's lists: filters, pages and cursors."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from operator import ge, gt, le, lt
from typing import Any, Final

from providers.sandbox.ledger import Operation, Order, ProviderLedger
from providers.sandbox.statements import FOREVER, Stated, Statements
from providers.sandbox.yookassa import serializers
from providers.sandbox.yookassa.errors import Refused
from providers.sandbox.yookassa.model import PROVIDER
from providers.statements import LineKind

DEFAULT_LIMIT: Final = 10
LIMITS: Final = range(1, 101)
COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {"gte": ge, "gt": gt, "lte": le, "lt": lt}
#: Above every id of a UUID's letters.
LAST: Final = "~"


def payments(
    ledger: ProviderLedger, statements: Statements, query: Mapping[str, str], view: Callable[[Order], dict[str, Any]]
) -> dict[str, Any]:
    """GET /payments, the newest first."""
    if is_statement(query, "captured_at"):
        return _page(
            query, _rows(query, "captured_at", statements, LineKind.CHARGE, lambda s: _payment(ledger, s, view))
        )
    before = _cursor(query)
    found = (
        order
        for order in ledger.newest(PROVIDER, before, _since(query, "created_at"))
        if _in_time(query, "created_at", order.created)
        and query.get("status", serializers.STATUSES[order.status]) == serializers.STATUSES[order.status]
    )
    return _page(query, ((order.created, order.order_id, view(order)) for order in found))


def refunds(ledger: ProviderLedger, statements: Statements, query: Mapping[str, str]) -> dict[str, Any]:
    """GET /refunds, the newest first."""
    if is_statement(query, "created_at"):
        return _page(query, _rows(query, "created_at", statements, LineKind.REFUND, lambda s: _refund(ledger, s)))
    before = _cursor(query)
    found = sorted(
        (
            (operation.created, operation.id, serializers.refund(order, operation))
            for order, operation in _refunds(ledger, query.get("payment_id"))
            if (operation.created, operation.id) < before
            and _in_time(query, "created_at", operation.created)
            and query.get("status", serializers.REFUND_STATUSES[operation.status])
            == serializers.REFUND_STATUSES[operation.status]
        ),
        key=lambda row: row[:2],
        reverse=True,
    )
    return _page(query, found)


def is_statement(query: Mapping[str, str], field: str) -> bool:
    """Whether a list is read as a statement: payments by their time of capture (``captured_at``), or the refunds of all
    payments that succeeded, by their time of creation (``created_at``)."""
    if not any(name.startswith(f"{field}.") for name in query):
        return False
    return field == "captured_at" or (query.get("status") == "succeeded" and "payment_id" not in query)


def _rows(
    query: Mapping[str, str],
    field: str,
    statements: Statements,
    kind: LineKind,
    view: Callable[[Stated], dict[str, Any] | None],
) -> list[tuple[float, str, dict[str, Any]]]:
    """The lines of one kind in the asked time, the newest first, from the cursor on."""
    before, (start, end) = _cursor(query), _range(query, field)
    found = [
        (stated.movement.shown_at, stated.movement.id, shown)
        for stated in statements.lines(PROVIDER, start, end, is_first_page="cursor" not in query)
        if stated.movement.kind is kind
        and (stated.movement.shown_at, stated.movement.id) < before
        and _in_time(query, field, stated.movement.shown_at)
        and (shown := view(stated)) is not None
    ]
    return sorted(found, key=lambda row: row[:2], reverse=True)


def _range(query: Mapping[str, str], field: str) -> tuple[float, float]:
    """A stretch of time that holds what is asked for."""
    asked = {suffix: query.get(f"{field}.{suffix}") for suffix in COMPARISONS}
    try:
        moments = {suffix: serializers.unix_s(text) for suffix, text in asked.items() if text is not None}
    except ValueError:
        raise Refused(400, "not a time", field) from None
    end = min(moments.get("lt", FOREVER), moments.get("lte", FOREVER) + 1)
    return max(moments.get("gte", 0.0), moments.get("gt", 0.0)), end


def _payment(ledger: ProviderLedger, stated: Stated, view: Callable[[Order], dict[str, Any]]) -> dict[str, Any] | None:
    movement, order = stated.movement, ledger.find(stated.of.order_id)
    if order is None:
        return None
    shown = view(order) | {
        "id": movement.order_id if movement.id == stated.of.id else movement.id,
        "amount": serializers.amount(movement.amount, movement.currency),
        "income_amount": serializers.amount(movement.amount - movement.fee, movement.currency),
        "captured_at": serializers.time_text(movement.shown_at),
    }
    return shown | ({"metadata": {}} if stated.is_invented else {}) | ({"status": stated.type} if stated.type else {})


def _refund(ledger: ProviderLedger, stated: Stated) -> dict[str, Any] | None:
    movement, order = stated.movement, ledger.find(stated.of.order_id)
    operation = None if order is None else next((o for o in order.operations if o.id == stated.of.operation_id), None)
    if order is None or operation is None or operation.status != "SUCCESS":
        return None
    shown = serializers.refund(order, operation) | {
        "id": movement.id,
        "payment_id": movement.order_id,
        "amount": serializers.amount(-movement.amount, movement.currency),
        "created_at": serializers.time_text(movement.shown_at),
    }
    return shown | ({"metadata": {}} if stated.is_invented else {})


def _refunds(ledger: ProviderLedger, payment_id: str | None) -> Iterator[tuple[Order, Operation]]:
    orders: Iterable[Order]
    if payment_id is None:
        orders = ledger.newest(PROVIDER, (math.inf, LAST))
    else:
        order = ledger.find(payment_id)
        orders = [] if order is None else [order]
    return ((order, o) for order in orders for o in order.operations if o.type == "REFUND")


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


def _since(query: Mapping[str, str], name: str) -> float:
    """Nothing before it is asked for, Unix seconds."""
    return max(
        (_bound(query, f"{name}.{suffix}") for suffix in ("gte", "gt") if f"{name}.{suffix}" in query), default=0.0
    )


def _bound(query: Mapping[str, str], name: str) -> float:
    try:
        return serializers.unix_s(query[name])
    except ValueError:
        raise Refused(400, "not a time", name) from None


def _in_time(query: Mapping[str, str], name: str, at: float | None) -> bool:
    for suffix, compare in COMPARISONS.items():
        if f"{name}.{suffix}" in query:
            bound = _bound(query, f"{name}.{suffix}")
            if at is None or not compare(at, bound):
                return False
    return True
