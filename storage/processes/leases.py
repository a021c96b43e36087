"""Leases: a process holds the lowest free slot of its kind for as long as it renews it.

All times are Postgres' own, so that the processes' clocks need not agree.
"""

from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: More processes of one kind do not run.
SLOTS: Final = 1000
#: Each try that fails is a slot that another process took meanwhile: enough for as many starting at once.
CLAIM_TRIES: Final = 50


class Lease(msgspec.Struct, frozen=True):
    """``holder`` is unique to one run of one process; ``version`` is the release that it runs."""

    kind: str
    slot: int
    holder: str
    version: str


# Of two processes that see the same slot free, the second waits for the first one's row and then gets none.
_CLAIM = text(
    """
    INSERT INTO process_leases AS held (kind, slot, holder, version, until)
    SELECT :kind, free.slot, :holder, :version, now() + make_interval(secs => :lease_s)
    FROM generate_series(0, :slots - 1) AS free (slot)
    WHERE NOT EXISTS (
        SELECT 1 FROM process_leases WHERE kind = :kind AND slot = free.slot AND until > now()
    )
    ORDER BY free.slot
    LIMIT 1
    ON CONFLICT (kind, slot) DO UPDATE
    SET holder = excluded.holder, version = excluded.version, until = excluded.until
    WHERE held.until <= now()
    RETURNING slot
    """
)
_RENEW = text(
    """
    UPDATE process_leases SET until = now() + make_interval(secs => :lease_s)
    WHERE kind = :kind AND slot = :slot AND holder = :holder
    RETURNING slot
    """
)
_RELEASE = text("DELETE FROM process_leases WHERE kind = :kind AND slot = :slot AND holder = :holder")
_LIVE = text("SELECT count(*) FROM process_leases WHERE kind = :kind AND until > now()")


async def claim(connection: AsyncConnection, kind: str, holder: str, version: str, lease_s: float) -> Lease | None:
    """The lowest free slot, for ``lease_s`` seconds; ``None`` if other processes took each that was found free."""
    parameters = {"kind": kind, "holder": holder, "version": version, "lease_s": lease_s, "slots": SLOTS}
    for _ in range(CLAIM_TRIES):
        slot = (await connection.execute(_CLAIM, parameters)).scalar()
        if slot is not None:
            return Lease(kind, slot, holder, version)
    return None


async def renew(connection: AsyncConnection, lease: Lease, lease_s: float) -> bool:
    """Hold the slot ``lease_s`` seconds from now; ``False`` when it ran out and another process took it."""
    parameters = {"kind": lease.kind, "slot": lease.slot, "holder": lease.holder, "lease_s": lease_s}
    return (await connection.execute(_RENEW, parameters)).scalar() is not None


async def release(connection: AsyncConnection, lease: Lease) -> None:
    """Give the slot back."""
    await connection.execute(_RELEASE, {"kind": lease.kind, "slot": lease.slot, "holder": lease.holder})


async def live(connection: AsyncConnection, kind: str) -> int:
    """How many processes of the kind hold a slot now."""
    return int((await connection.execute(_LIVE, {"kind": kind})).scalar_one())
