"""Stripe's list calls: pages, filters by time, and the movements on the balance."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from providers.sandbox.ledger import Operation, Order
from providers.sandbox.statements import Movement
from providers.sandbox.stripe import parameters, serializers

DEFAULT_LIMIT: Final = 10
LIMITS: Final = range(1, 101)


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
    """Movements on the balance. ``expanded``: with their whole source."""
    return [_transaction(order, operation, expanded=expanded) for order, operation in found]


def _transaction(order: Order, operation: Operation, *, expanded: bool) -> dict[str, Any]:
    gives_back = serializers.is_refund(operation)
    source = serializers.refund(order, operation) if gives_back else serializers.charge(order)
    return serializers.transaction(order, operation, source if expanded else source["id"])


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
