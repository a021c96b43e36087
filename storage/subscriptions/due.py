"""Which subscriptions are due, by Postgres' clock: those with an appointment in the past. Those that live by a test clock
are left alone."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.subscriptions.agenda import What
from billing.subscriptions.dunning import METHOD_WINDOW

#: The appointments at which the customer is charged.
CHARGES: Final = (What.CHARGE.name, What.RETRY.name)
_CHARGES_SQL: Final = "('CHARGE', 'RETRY')"
assert CHARGES == ("CHARGE", "RETRY")


class Kind(StrEnum):
    """What subscriptions are woken for, in pages of their own."""

    CHARGES = "charges"
    OTHERS = "others"
    """Notices, ends, holds, questions to a payment."""
    AT_RISK = "at_risk"
    """Charges that cannot be made now, where access runs out soon and can be extended."""


class Due(NamedTuple):
    """A subscription that is due. ``what``: the name of its appointment; ``position``: of its row in the order of its
    pages; ``at``: Postgres' clock when it was read (UTC)."""

    id: UUID
    what: str
    method_id: UUID | None
    position: datetime
    at: datetime


class Backlog(NamedTuple):
    """How many subscriptions of a provider are due; ``oldest``: the appointment that is due longest (UTC)."""

    provider: str
    number: int
    oldest: datetime


class MethodUse(NamedTuple):
    """Charges of a method in :data:`METHOD_WINDOW` over all subscriptions, and the last of them (UTC). Those that failed
    by a fault of ours do not count."""

    tries: int
    tried_at: datetime


class Cursor(NamedTuple):
    """The last row of the page before."""

    position: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    id: UUID = UUID(int=0)


def _page(column: str, condition: str) -> TextClause:
    return text(
        f"""
        SELECT id, next_action, method_id, {column}, now() FROM subscriptions
        WHERE provider = :provider AND next_action_at <= now() AND clock_id IS NULL AND {condition}
          AND ({column}, id) > (CAST(:position AS timestamptz), CAST(:id AS uuid))
        ORDER BY {column}, id LIMIT :limit
        """  # noqa: S608 - made of the constants above
    )


# A value of a period that is paid by now is an older worker's, which does not know the column.
_CAN_BE_HELD: Final = "(held_at_most IS NULL OR held_at_most <= period_end_at OR access_until < held_at_most)"
_PAGES: Final[Mapping[Kind, TextClause]] = {
    Kind.CHARGES: _page("next_action_at", f"next_action IN {_CHARGES_SQL}"),
    Kind.OTHERS: _page("next_action_at", f"next_action NOT IN {_CHARGES_SQL}"),
    Kind.AT_RISK: _page(
        "access_until",
        f"next_action IN {_CHARGES_SQL} AND access_until <= now() + CAST(:within AS interval) AND {_CAN_BE_HELD}",
    ),
}
_BACKLOG = text(
    """
    SELECT provider, count(*), min(next_action_at) FROM subscriptions
    WHERE next_action_at <= least(now(), :before) AND clock_id IS NULL GROUP BY provider ORDER BY provider
    """
).bindparams(bindparam("before", type_=DateTime(timezone=True)))
_METHODS = text(
    """
    SELECT method_id, count(*), max(requested_at) FROM renewal_attempts
    WHERE method_id = ANY(:ids) AND requested_at > :since AND decline IS DISTINCT FROM 'OURS'
    GROUP BY method_id
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def backlog(connection: AsyncConnection, before: datetime | None = None) -> list[Backlog]:
    """The providers with subscriptions that are due, by name. ``before``: those alone that are due since then (UTC)."""
    return [Backlog(*row) for row in await connection.execute(_BACKLOG, {"before": before})]


async def page(
    connection: AsyncConnection, provider: str, kind: Kind, after: Cursor, limit: int, within: timedelta = timedelta(0)
) -> list[Due]:
    """The next subscriptions of a provider that are due, at most ``limit``, the longest due first; at risk: those whose
    access runs out ``within`` a time and can be extended, the soonest first."""
    values = {"provider": provider, "position": after.position, "id": after.id, "limit": limit}
    if kind is Kind.AT_RISK:
        values["within"] = within
    return [Due(*row) for row in await connection.execute(_PAGES[kind], values)]


async def method_uses(connection: AsyncConnection, ids: Collection[UUID], at: datetime) -> dict[UUID, MethodUse]:
    """Method → its use up to ``at`` (UTC); none for a method without charges."""
    if not ids:
        return {}
    rows: Sequence[tuple[UUID, int, datetime]] = [
        tuple(row) for row in await connection.execute(_METHODS, {"ids": sorted(ids), "since": at - METHOD_WINDOW})
    ]
    return {id: MethodUse(tries, tried_at) for id, tries, tried_at in rows}
