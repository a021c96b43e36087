"""Attempts to have periods paid, as the renewal job counts them. Those of test clocks are of another time."""

from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: Before the first attempt.
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Ended attempts of a provider that show how its renewals go.
RECENT: Final = 200

_UNANSWERED = text(
    "SELECT provider, count(*) AS number FROM renewal_attempts WHERE state = 'REQUESTED' AND purpose = 'RENEWAL' GROUP BY provider"
)
# One step of the index for each provider, however many attempts there are.
_PROVIDERS = text(
    """
    WITH RECURSIVE known AS (
        (SELECT provider FROM renewal_attempts WHERE ended_at IS NOT NULL AND purpose = 'RENEWAL' ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT (
            SELECT a.provider FROM renewal_attempts a
            WHERE a.provider > known.provider AND a.ended_at IS NOT NULL AND a.purpose = 'RENEWAL' ORDER BY 1 LIMIT 1
        ) FROM known WHERE known.provider IS NOT NULL
    )
    SELECT provider FROM known WHERE provider IS NOT NULL
    """
)
_NOT_OF_A_CLOCK: Final = """
    NOT EXISTS (SELECT FROM subscriptions s WHERE s.id = a.subscription_id AND s.clock_id IS NOT NULL)
"""
_RECENT = text(
    f"""
    SELECT coalesce(decline, state) AS how, count(*) AS number FROM (
        SELECT a.decline, a.state FROM renewal_attempts a
        WHERE a.provider = :provider AND a.purpose = 'RENEWAL' AND a.ended_at > :since AND a.ended_at <= now()
          AND {_NOT_OF_A_CLOCK}
        ORDER BY a.ended_at DESC LIMIT :limit
    ) AS recent
    GROUP BY 1
    """  # noqa: S608 - made of the constants above
)
_ENDED = text(
    f"""
    SELECT a.provider, a.currency, coalesce(a.decline, a.state), count(*), sum(a.amount) FROM renewal_attempts a
    WHERE a.purpose = 'RENEWAL' AND a.ended_at >= :start AND a.ended_at < :end AND {_NOT_OF_A_CLOCK}
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """  # noqa: S608 - made of the constants above
)


class Ended(msgspec.Struct, frozen=True):
    """Renewal attempts that ended alike. ``how``: the class of the decline, else the state. ``amount``: their sum, minor
    units."""

    provider: str
    currency: str
    how: str
    number: int
    amount: int


async def providers(connection: AsyncConnection) -> list[str]:
    """The providers that renewals ended at, by name."""
    return list((await connection.execute(_PROVIDERS)).scalars())


async def unanswered(connection: AsyncConnection) -> dict[str, int]:
    """Provider → renewals that were requested and of which nothing is known yet."""
    return {row.provider: row.number for row in await connection.execute(_UNANSWERED)}


async def recent(connection: AsyncConnection, provider: str, since: datetime) -> dict[str, int]:
    """How the last :data:`RECENT` renewals of a provider ended after ``since`` (UTC): class of the decline, else state →
    number."""
    rows = await connection.execute(_RECENT, {"provider": provider, "since": since, "limit": RECENT})
    return {row.how: row.number for row in rows}


async def ended(connection: AsyncConnection, start: datetime, end: datetime) -> list[Ended]:
    """How the renewals ended from ``start`` on and before ``end`` (UTC)."""
    rows = await connection.execute(_ENDED, {"start": start, "end": end})
    return [Ended(provider, currency, how, number, int(amount)) for provider, currency, how, number, amount in rows]
