"""Whether a provider may be called: operators' switches, and the circuit breakers that workers report as open."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import ARRAY, DateTime, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

#: An open breaker that its worker has not reported for this long no longer counts.
BREAKER_FORGOTTEN: Final = timedelta(seconds=10)


class Switch(msgspec.Struct, frozen=True):
    """An operator's decision on whether a provider may be called. ``switched_at``: UTC."""

    enabled: bool
    reason: str
    actor: str
    switched_at: datetime


class OpenBreaker(msgspec.Struct, frozen=True):
    """A breaker that blocks calls in one worker. ``reason``: how the last call failed; ``opened_at``: UTC."""

    provider: str
    worker: str
    reason: str
    opened_at: datetime


_TURN = text(
    """
    INSERT INTO provider_switches (provider, enabled, reason, actor, switched_at)
    VALUES (:provider, :enabled, :reason, :actor, :switched_at)
    """
)
_SWITCHES = text(
    """
    SELECT DISTINCT ON (provider) provider, enabled, reason, actor, switched_at
    FROM provider_switches ORDER BY provider, id DESC
    """
)
_REPORT = text(
    """
    WITH gone AS (
        DELETE FROM provider_breakers
        WHERE (worker = :worker AND provider <> ALL(:providers)) OR seen_at < :forgotten
    )
    INSERT INTO provider_breakers (provider, worker, reason, opened_at, seen_at)
    SELECT provider, :worker, reason, opened_at, :now
    FROM unnest(:providers, :reasons, :opened) AS r (provider, reason, opened_at)
    ON CONFLICT (provider, worker) DO UPDATE
        SET reason = EXCLUDED.reason, opened_at = EXCLUDED.opened_at, seen_at = EXCLUDED.seen_at
    """
).bindparams(
    bindparam("providers", type_=ARRAY(Text)),
    bindparam("reasons", type_=ARRAY(Text)),
    bindparam("opened", type_=ARRAY(DateTime(timezone=True))),
)
_BREAKERS = text(
    "SELECT provider, worker, reason, opened_at FROM provider_breakers WHERE seen_at >= :since ORDER BY 1, 2"
)


async def turn(connection: AsyncConnection, provider: str, switch: Switch) -> None:
    """Record an operator's decision, in the caller's transaction. Earlier ones stay."""
    await connection.execute(_TURN, {"provider": provider, **msgspec.structs.asdict(switch)})


async def switches(connection: AsyncConnection) -> dict[str, Switch]:
    """The latest decision on each provider that has one; the others are enabled."""
    rows = await connection.execute(_SWITCHES)
    return {row[0]: Switch(row[1], row[2], row[3], row[4]) for row in rows}


async def report_breakers(
    connection: AsyncConnection, worker: str, opened: Mapping[str, tuple[str, datetime]], now: datetime
) -> None:
    """Record the open breakers of a worker: provider → (reason, since). Replaces its previous report."""
    providers = sorted(opened)
    await connection.execute(
        _REPORT,
        {
            "worker": worker,
            "providers": providers,
            "reasons": [opened[name][0] for name in providers],
            "opened": [opened[name][1] for name in providers],
            "now": now,
            "forgotten": now - BREAKER_FORGOTTEN,
        },
    )


async def open_breakers(connection: AsyncConnection, now: datetime) -> list[OpenBreaker]:
    """The breakers that are open now, ordered by provider and worker."""
    rows = await connection.execute(_BREAKERS, {"since": now - BREAKER_FORGOTTEN})
    return [OpenBreaker(*row) for row in rows]
