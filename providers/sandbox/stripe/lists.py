"""Stripe's list calls: pages, filters by time, and the movements on the balance."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from providers.sandbox.ledger import Operation, Order
from providers.sandbox.statements import Movement
from providers.sandbox.stripe import parameters, serializers

DEFAULT_LIMIT: Final = 10
LIMITS: Final = range(1, 101)
#: The sandbox' price: 2.9 % and 30 minor units, on what is taken; refunds give none of it back.
FEE_PER_MILLE: Final = 29
FEE_FIXED: Final = 30


def page(path: str, found: Sequence[dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """A page of what was found, the newest first: ``created`` (a time or bounds), ``limit``, ``starting_after``."""
    limit = parameters.integer(params, "limit") if "limit" in params else DEFAULT_LIMIT
    if limit not in LIMITS:
        raise parameters.invalid("limit is 1 to 100", "limit", "parameter_invalid_integer")
    bounds = _bounds(params)
    chosen = sorted((row for row in found if _is_in(row["created"], bounds)), key=lambda row: -row["created"])
    if "starting_after" in params:
        ids = [row["id"] for row in chosen]
        after = params["starting_after"]
        if after not in ids:
            raise parameters.invalid(f"No such object: {after}", "starting_after", "resource_missing")
        chosen = chosen[ids.index(after) + 1 :]
    return {"object": "list", "url": path, "data": chosen[:limit], "has_more": len(chosen) > limit}


def transactions(found: Iterable[Movement], *, expanded: bool) -> list[dict[str, Any]]:
    """Movements on the balance. Amounts in minor units, refunds negative. ``expanded``: with their whole source."""
    return [_transaction(order, operation, expanded=expanded) for order, operation in found]


def _transaction(order: Order, operation: Operation, *, expanded: bool) -> dict[str, Any]:
    is_refund = operation.type == "REFUND"
    amount = -operation.amount if is_refund else operation.amount
    source = serializers.refund(order, operation) if is_refund else serializers.charge(order)
    fee = 0 if is_refund else amount * FEE_PER_MILLE // 1000 + FEE_FIXED
    return {
        "id": serializers.transaction_id(operation),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": int(operation.updated),
        "created": int(operation.updated),
        "currency": order.currency.lower(),
        "fee": fee,
        "net": amount - fee,
        "reporting_category": "refund" if is_refund else "charge",
        "source": source if expanded else source["id"],
        "status": "available",
        "type": "refund" if is_refund else "charge",
    }


def _bounds(params: Mapping[str, Any]) -> dict[str, int]:
    """``created`` as bounds: a time is both of them."""
    wanted = params.get("created", {})
    if isinstance(wanted, str):
        exactly = parameters.integer(params, "created")
        return {"gte": exactly, "lte": exactly}
    return {name: parameters.integer(wanted, name) for name in wanted}


def _is_in(created: int, bounds: Mapping[str, int]) -> bool:
    return bounds.get("gte", created) <= created <= bounds.get("lte", created) and bounds.get(
        "gt", created - 1
    ) < created < bounds.get("lt", created + 1)
