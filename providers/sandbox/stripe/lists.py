"""Stripe's list calls: pages, filters by time, and the movements on the balance."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from providers.sandbox.ledger import ProviderLedger
from providers.sandbox.statements import FOREVER, Stated
from providers.sandbox.stripe import parameters, serializers
from providers.statements import LineKind

DEFAULT_LIMIT: Final = 10
LIMITS: Final = range(1, 101)


def first_page(path: str, newest: Iterable[dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """A page of what comes, the newest first and from ``starting_after`` on; no more is taken of it than the page needs."""
    limit, bounds = _limit(params), _bounds(params)
    chosen = list(islice((row for row in newest if _is_in(row["created"], bounds)), limit + 1))
    return {"object": "list", "url": path, "data": chosen[:limit], "has_more": len(chosen) > limit}


def page(path: str, found: Sequence[dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """A page of what was found, the newest first: ``created`` (a time or bounds), ``limit``, ``starting_after``."""
    limit, bounds = _limit(params), _bounds(params)
    chosen = sorted((row for row in found if _is_in(row["created"], bounds)), key=lambda row: -row["created"])
    if "starting_after" in params:
        ids = [row["id"] for row in chosen]
        after = params["starting_after"]
        if after not in ids:
            raise parameters.invalid(f"No such object: {after}", "starting_after", "resource_missing")
        chosen = chosen[ids.index(after) + 1 :]
    return {"object": "list", "url": path, "data": chosen[:limit], "has_more": len(chosen) > limit}


def _limit(params: Mapping[str, Any]) -> int:
    limit = parameters.integer(params, "limit") if "limit" in params else DEFAULT_LIMIT
    if limit not in LIMITS:
        raise parameters.invalid("limit is 1 to 100", "limit", "parameter_invalid_integer")
    return limit


def stretch(params: Mapping[str, Any]) -> tuple[float, float]:
    """A stretch of time, Unix seconds, that holds what ``created`` asks for."""
    bounds = _bounds(params)
    end = min(bounds.get("lt", FOREVER), bounds.get("lte", FOREVER) + 1)
    return float(max(bounds.get("gte", 0), bounds.get("gt", 0))), float(end)


def transaction(ledger: ProviderLedger, stated: Stated, *, expanded: bool) -> dict[str, Any]:
    """A movement on the balance. ``expanded``: with its whole source."""
    movement, order = stated.movement, ledger.find(stated.of.order_id)
    operation = None if order is None else next((o for o in order.operations if o.id == stated.of.operation_id), None)
    source: dict[str, Any] = {"id": movement.payout or f"dp_{movement.id}", "object": "payout"}
    if order is not None:
        if stated.is_invented:
            unnamed = {**order.details, "charge_metadata": {}}
            order = msgspec.structs.replace(order, order_id=movement.order_id, details=unnamed)
        source = serializers.charge(order)
        if operation is not None and serializers.is_refund(operation):
            source = serializers.refund(order, operation)
            source |= {"id": movement.operation_id, "metadata": {}} if stated.is_invented else {}
        elif operation is None and movement.kind is not LineKind.CHARGE:
            source = serializers.dispute(order, movement)
        source |= {"currency": movement.currency.lower()}
    return serializers.transaction(stated, source if expanded else source["id"])


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
