"""Which providers may be called: switches that operators turn, and breakers that workers report."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import ARRAY, DateTime, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

#: An open breaker whose worker has not been heard of for this long is no longer counted.
BREAKER_FORGOTTEN: Final = timedelta(seconds=10)


class Switch(msgspec.Struct, frozen=True):
    """An operator's word on a provider. ``switched_at``: UTC."""

    enabled: bool
    reason: str
    actor: str
    switched_at: datetime


class OpenBreaker(msgspec.Struct, frozen=True):
    """A breaker that holds calls back in one worker. ``reason``: how the last call failed; ``opened_at``: UTC."""

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
    """Put an operator's word on record, in the caller's transaction. Earlier ones stay."""
    await connection.execute(_TURN, {"provider": provider, **msgspec.structs.asdict(switch)})


async def switches(connection: AsyncConnection) -> dict[str, Switch]:
    """The last word on each provider that there was one on; the others are enabled."""
    rows = await connection.execute(_SWITCHES)
    return {row[0]: Switch(row[1], row[2], row[3], row[4]) for row in rows}


async def report_breakers(
    connection: AsyncConnection, worker: str, opened: Mapping[str, tuple[str, datetime]], now: datetime
) -> None:
    """Say which breakers of a worker are open: provider → (reason, since). Replaces what it said before."""
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
    """The breakers that hold calls back now, by provider and worker."""
    rows = await connection.execute(_BREAKERS, {"since": now - BREAKER_FORGOTTEN})
    return [OpenBreaker(*row) for row in rows]
