"""What is stuck, by rule."""

from datetime import datetime

import msgspec

from billing.clearing.stuck import RULES, Rule
from providers.registry import PLUGINS
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import PostgresSettings
from storage.clearing.stuck import Stuck, find_stuck


class StuckBy(msgspec.Struct, frozen=True):
    """Something that is stuck, and by which rule. ``asked_by``: what keeps asking; ``needs_person``: asking has not helped
    in time."""

    rule: str
    state: str
    asked_by: str
    needs_person: bool
    provider: str
    payment_id: str | None
    subject: str
    since: datetime
    amount: int | None
    currency: str | None


async def find(settings: PostgresSettings, limit: int) -> list[StuckBy]:
    """What is stuck now, at most ``limit`` by each rule, the oldest first."""
    now = utc_now()
    found: list[StuckBy] = []
    async with connected(settings) as engine, engine.connect() as connection:
        for rule in RULES:
            graces = {
                name: plugin.capabilities.stuck_after[rule.name]
                for name, plugin in PLUGINS.items()
                if rule.name in plugin.capabilities.stuck_after
            }
            found += [_by(rule, one, now) for one in await find_stuck(connection, rule, now, graces, limit)]
    return found


def _by(rule: Rule, one: Stuck, now: datetime) -> StuckBy:
    return StuckBy(
        rule=rule.name,
        state=rule.state,
        asked_by=rule.asked_by,
        needs_person=rule.needs_person(one.since, now),
        provider=one.provider,
        payment_id=None if one.payment_id is None else str(one.payment_id),
        subject=one.subject,
        since=one.since,
        amount=one.amount,
        currency=one.currency,
    )
