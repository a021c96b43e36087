"""Reads for the API: a client's subscriptions, with their periods and attempts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages.subscription_events import AttemptView, PeriodView
from billing.subscriptions.model import Subscription
from storage.payments.lists import Cursor
from storage.subscriptions.rows import load_subscriptions
from storage.tables import RENEWAL_ATTEMPTS, SUBSCRIPTION_PERIODS, columns


class SubscriptionFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which subscriptions to list; ``None`` does not filter."""

    customer_id: str | None = None
    status: str | None = None
    plan: str | None = None
    clock_id: UUID | None = None


#: The statement holds only the conditions in use, so that each combination has its own plan.
_FILTERS = ("customer_id", "status", "plan", "clock_id")
_NOT_SHOWN = ("subscription_id", "version")
_PERIODS = text(
    f"SELECT {columns(SUBSCRIPTION_PERIODS, without=_NOT_SHOWN)} FROM subscription_periods"  # noqa: S608
    " WHERE subscription_id = :id ORDER BY number"
)
_ATTEMPTS = text(
    f"SELECT {columns(RENEWAL_ATTEMPTS, without=_NOT_SHOWN)} FROM renewal_attempts"  # noqa: S608
    " WHERE subscription_id = :id ORDER BY period, number"
)
_LATEST_PERIODS = text(
    f"SELECT {columns(SUBSCRIPTION_PERIODS, without=_NOT_SHOWN)} FROM subscription_periods"  # noqa: S608
    " WHERE subscription_id = :id AND number < :before ORDER BY number DESC LIMIT :limit"
)
_LATEST_ATTEMPTS = text(
    f"SELECT {columns(RENEWAL_ATTEMPTS, without=_NOT_SHOWN)} FROM renewal_attempts"  # noqa: S608
    " WHERE subscription_id = :id AND (period, number) < (:period, :number) ORDER BY period DESC, number DESC LIMIT :limit"
)
_OF_CUSTOMER = text(
    "SELECT id FROM subscriptions WHERE customer_id = :customer_id ORDER BY created_at DESC, id DESC LIMIT :limit"
)
_CHARGED_WITH = text("SELECT id FROM subscriptions WHERE method_id = :method_id ORDER BY id")


async def find_subscription(connection: AsyncConnection, client_id: str, id: UUID) -> Subscription | None:
    """``None``: there is none with this id, or it belongs to another API client."""
    found = (await load_subscriptions(connection, [id])).get(id)
    return found if found is not None and found.client_id == client_id else None


async def list_subscriptions(
    connection: AsyncConnection, client_id: str | None, filters: SubscriptionFilters, after: Cursor | None, limit: int
) -> list[Subscription]:
    """At most ``limit`` subscriptions, newest first, starting after ``after``. ``client_id``: ``None``: of all clients."""
    asked = {name: value for name in _FILTERS if (value := getattr(filters, name)) is not None}
    parameters: dict[str, Any] = {**asked, "limit": limit}
    if client_id is not None:
        parameters["client_id"] = asked["client_id"] = client_id
    conditions = [f"{name} = :{name}" for name in asked]
    if after is not None:
        conditions.append("(created_at, id) < (:after_at, :after_id)")
        parameters |= {"after_at": after.created_at, "after_id": after.id}
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = f"SELECT id FROM subscriptions {where} ORDER BY created_at DESC, id DESC LIMIT :limit"  # noqa: S608
    ids = [row[0] for row in await connection.execute(text(sql), parameters)]
    found = await load_subscriptions(connection, ids)
    return [found[id] for id in ids if id in found]


async def periods_of(connection: AsyncConnection, id: UUID) -> list[PeriodView]:
    """All periods of a subscription, in order."""
    rows = await connection.execute(_PERIODS, {"id": id})
    return [msgspec.convert(dict(row), PeriodView) for row in rows.mappings()]


async def attempts_of(connection: AsyncConnection, id: UUID) -> list[AttemptView]:
    """All attempts of a subscription, by period and number."""
    rows = await connection.execute(_ATTEMPTS, {"id": id})
    return [msgspec.convert(dict(row), AttemptView) for row in rows.mappings()]


async def latest_periods(connection: AsyncConnection, id: UUID, before: int, limit: int) -> list[PeriodView]:
    """At most ``limit`` periods of a subscription with a number below ``before``, the latest first."""
    rows = await connection.execute(_LATEST_PERIODS, {"id": id, "before": before, "limit": limit})
    return [msgspec.convert(dict(row), PeriodView) for row in rows.mappings()]


async def latest_attempts(
    connection: AsyncConnection, id: UUID, before: tuple[int, int], limit: int
) -> list[AttemptView]:
    """At most ``limit`` attempts of a subscription before ``before``, a period and a number, the latest first."""
    values = {"id": id, "period": before[0], "number": before[1], "limit": limit}
    rows = await connection.execute(_LATEST_ATTEMPTS, values)
    return [msgspec.convert(dict(row), AttemptView) for row in rows.mappings()]


async def subscriptions_of(connection: AsyncConnection, customer_id: str, limit: int) -> list[Subscription]:
    """At most ``limit`` subscriptions of a customer at all API clients, the newest first."""
    rows = await connection.execute(_OF_CUSTOMER, {"customer_id": customer_id, "limit": limit})
    ids = [row[0] for row in rows]
    found = await load_subscriptions(connection, ids)
    return [found[id] for id in ids if id in found]


async def charged_with(connection: AsyncConnection, method_id: UUID) -> Sequence[UUID]:
    """The subscriptions that a saved method is charged for."""
    return [row[0] for row in await connection.execute(_CHARGED_WITH, {"method_id": method_id})]
