"""Subscriptions as rows: the rows of the domain's objects, and the objects read back from them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages.subscription_commands import Consent
from billing.messages.subscription_events import AttemptView, PeriodView
from billing.subscriptions.access import paid_or_to_be
from billing.subscriptions.model import Subscription

_STATES = text("SELECT state::text FROM subscriptions WHERE id = ANY(:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_decoder = msgspec.json.Decoder(Subscription)


async def load_subscriptions(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Subscription]:
    """The subscriptions with these ids that exist."""
    rows: Sequence[Any] = (await connection.execute(_STATES, {"ids": sorted(set(ids))})).all()
    found = [_decoder.decode(row[0]) for row in rows]
    return {subscription.id: subscription for subscription in found}


def subscription_row(s: Subscription, next_action: str | None, next_action_at: datetime | None) -> dict[str, Any]:
    """``next_action``: its earliest appointment, at ``next_action_at`` (UTC): the event of the change has found it.
    ``held_at_most``: while a fault of ours extends access, how far it may."""
    return {
        "id": s.id,
        "client_id": s.client_id,
        "plan_group": s.price.group,
        "customer_id": s.customer_id,
        "life": s.life,
        "status": s.status,
        "version": s.version,
        "plan": s.price.plan,
        "price_id": s.price.id,
        "currency": s.price.currency,
        "amount": s.price.amount,
        "provider": s.provider,
        "method_id": None if s.method is None else s.method.id,
        "period_end_at": None if s.period is None else s.period.end_at,
        "access_until": s.access_until,
        "held_at_most": None if s.held_until is None else paid_or_to_be(s),
        "next_action": next_action,
        "next_action_at": next_action_at,
        "clock_id": s.clock_id,
        "created_at": s.created_at,
        "updated_at": s.updated_at,
        "state": s,
    }


def period_row(s: Subscription, period: PeriodView) -> dict[str, Any]:
    return {"subscription_id": s.id, "version": s.version} | msgspec.structs.asdict(period)


def attempt_row(s: Subscription, attempt: AttemptView) -> dict[str, Any]:
    return {"subscription_id": s.id, "version": s.version} | msgspec.structs.asdict(attempt)


def consent_row(s: Subscription, consent: Consent) -> dict[str, Any]:
    row = {"subscription_id": s.id, "life": s.life, "given_at": s.updated_at}
    return row | msgspec.structs.asdict(consent)
