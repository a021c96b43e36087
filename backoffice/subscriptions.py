"""Subscriptions for operators: list and read them, cancel and extend them."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.commands import note, require_understood, send
from backoffice.operators import ActionRefused, Operator, recorded
from billing.messages.subscription_commands import (
    CancelSubscription,
    ExtendPeriod,
    SubscriptionCommand,
    When,
)
from billing.messages.subscription_events import AttemptView, PeriodView, SubscriptionReply, SubscriptionSnapshot
from billing.messages.topics import SUBSCRIPTIONS
from billing.subscriptions.decision import snapshot
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import RefundRule
from runtime.postgres import connected
from runtime.settings import PostgresSettings, Settings
from storage import test_clocks
from storage.journal.story import TimelineEntry, timeline_entries
from storage.journal.timeline import journal_of
from storage.subscriptions.lists import (
    SubscriptionFilters,
    attempts_of,
    list_subscriptions,
    periods_of,
)
from storage.subscriptions.rows import load_subscriptions


class Record(msgspec.Struct, frozen=True):
    """A subscription with all its periods and attempts."""

    subscription: SubscriptionSnapshot
    periods: list[PeriodView]
    attempts: list[AttemptView]


async def find(
    settings: PostgresSettings, client: str | None, filters: SubscriptionFilters, limit: int
) -> list[SubscriptionSnapshot]:
    """The newest subscriptions, at most ``limit``. ``client``: ``None``: of all API clients."""
    async with connected(settings) as engine, engine.connect() as connection:
        found = await list_subscriptions(connection, client, filters, None, limit)
    return [snapshot(s) for s in found]


async def read(settings: PostgresSettings, id: UUID) -> Record | None:
    """``None``: there is no such subscription."""
    async with connected(settings) as engine, engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        found = (await load_subscriptions(connection, [id])).get(id)
        if found is None:
            return None
        return Record(snapshot(found), await periods_of(connection, id), await attempts_of(connection, id))


async def read_timeline(settings: PostgresSettings, id: UUID) -> list[TimelineEntry]:
    """Everything on record about a subscription, in order; empty where there is none."""
    async with connected(settings) as engine, engine.connect() as connection:
        return timeline_entries(await journal_of(connection, id, SUBSCRIPTIONS.name), ())


async def cancel(
    settings: Settings, operator: Operator, id: UUID, *, when: When, refund: RefundRule | None
) -> SubscriptionReply | None:
    """End a subscription for its customer. Returns its reply, which may be a refusal; ``None`` if there is none within
    30 s: the command is stored by then. Raises :class:`~backoffice.operators.ActionRefused`."""

    def command(members: dict[str, Any]) -> SubscriptionCommand:
        by = operator.actor
        return CancelSubscription(**members, when=when, refund=refund, by=by, comment=operator.reason)

    return await _act(settings, operator, "cancel_subscription", id, command, when=when, refund=refund)


async def extend(settings: Settings, operator: Operator, id: UUID, until: datetime) -> SubscriptionReply | None:
    """Move the end of the paid period to ``until`` (UTC). Returns and raises as :func:`cancel` does."""

    def command(members: dict[str, Any]) -> SubscriptionCommand:
        return ExtendPeriod(**members, until=until, operator=operator.name, reason=operator.reason)

    return await _act(settings, operator, "extend_subscription", id, command, until=until)


async def _act(
    settings: Settings, operator: Operator, action: str, id: UUID, make: Any, **details: Any
) -> SubscriptionReply | None:
    command_id = uuid4()
    async with (
        connected(settings) as engine,
        recorded(engine, operator, action, "subscription", str(id), command=command_id, **details) as record,
    ):
        async with engine.connect() as connection:
            found = (await load_subscriptions(connection, [id])).get(id)
            if found is None:
                raise ActionRefused(f"there is no subscription {id}")
            at = await time_of(connection, found)
        command = make({"subscription_id": id, "command_id": command_id, "fingerprint": str(command_id), "at": at})
        await require_understood(engine, type(command))
        reply = await send(settings, SUBSCRIPTIONS, command, command_id, operator.name, SubscriptionReply)
        note(record, reply)
    return reply


async def time_of(connection: AsyncConnection, s: Subscription) -> datetime | None:
    """The time (UTC) of the test clock by which a subscription lives; ``None``: it lives by real time."""
    clock = None if s.clock_id is None else await test_clocks.find(connection, s.client_id, s.clock_id)
    return None if clock is None else clock.now_at
