"""Leases: a process holds the lowest free slot of its kind for as long as it renews it.

All times are Postgres' own, so that the processes' clocks need not agree.
"""

from collections.abc import Collection
from typing import Final

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

#: More processes of one kind do not run.
SLOTS: Final = 1000
#: Each try that fails is a slot that another process took meanwhile: enough for as many starting at once.
CLAIM_TRIES: Final = 50
#: How often a process that others only have to see renews its lease, and for how long that holds, seconds. A statement that
#: hangs is given up, and tried again, while the lease still holds.
RENEW_LEASE_S: Final = 5.0
LEASE_S: Final = 30.0
assert 3 * RENEW_LEASE_S < LEASE_S
#: The kind of the processes that consume the inbox.
WORKER: Final = "worker"
#: The kind of the processes that run the jobs.
SCHEDULER: Final = "scheduler"

# Of two processes that see the same slot free, the second waits for the first one's row and then gets none.
_CLAIM = text(
    """
    INSERT INTO process_leases AS held (kind, slot, holder, version, understood, until)
    SELECT :kind, free.slot, :holder, :version, :understood, now() + make_interval(secs => :lease_s)
    FROM generate_series(0, :slots - 1) AS free (slot)
    WHERE NOT EXISTS (
        SELECT 1 FROM process_leases WHERE kind = :kind AND slot = free.slot AND until > now()
    )
    ORDER BY free.slot
    LIMIT 1
    ON CONFLICT (kind, slot) DO UPDATE
    SET holder = excluded.holder, version = excluded.version, understood = excluded.understood, until = excluded.until
    WHERE held.until <= now()
    RETURNING slot
    """
).bindparams(bindparam("understood", type_=ARRAY(Text)))
_RENEW = text(
    """
    UPDATE process_leases SET until = now() + make_interval(secs => :lease_s)
    WHERE kind = :kind AND slot = :slot AND holder = :holder
    RETURNING slot
    """
)
_RELEASE = text("DELETE FROM process_leases WHERE kind = :kind AND slot = :slot AND holder = :holder")
_LIVE = text("SELECT count(*) FROM process_leases WHERE kind = :kind AND until > now()")
_UNDERSTOOD = text(
    """
    SELECT coalesce(bool_and(:type = ANY(understood)), false) FROM process_leases
    WHERE kind = :kind AND until > now()
    """
)


class Lease:
    """One process' slot among the processes of its kind.

    ``holder`` is unique to one run of one process, ``version`` is the release that it runs, ``understood`` the types of
    messages that it can process. Each refresh holds the slot for ``lease_s`` seconds.
    """

    def __init__(self, kind: str, holder: str, version: str, lease_s: float, understood: Collection[str] = ()) -> None:
        #: ``None`` until the first refresh.
        self.slot: int | None = None
        self._kind = kind
        self._holder = holder
        self._version = version
        self._understood = sorted(understood)
        self._lease_s = lease_s

    async def refresh(self, connection: AsyncConnection) -> bool:
        """Renew the slot, or claim the lowest free one: before the first refresh, and after it ran out and went to
        another process. Returns whether a slot was claimed."""
        if self.slot is not None and (await connection.execute(_RENEW, self._parameters())).scalar() is not None:
            return False
        self.slot = None
        for _ in range(CLAIM_TRIES):
            claim = {**self._parameters(), "version": self._version, "understood": self._understood, "slots": SLOTS}
            self.slot = (await connection.execute(_CLAIM, claim)).scalar()
            if self.slot is not None:
                return True
        return False

    async def release(self, connection: AsyncConnection) -> None:
        """Give the slot back."""
        await connection.execute(_RELEASE, self._parameters())

    def _parameters(self) -> dict[str, object]:
        return {"kind": self._kind, "slot": self.slot, "holder": self._holder, "lease_s": self._lease_s}


async def live(connection: AsyncConnection, kind: str) -> int:
    """How many processes of the kind hold a slot now."""
    return int((await connection.execute(_LIVE, {"kind": kind})).scalar_one())


async def is_understood(connection: AsyncConnection, type: str) -> bool:
    """Whether every worker that runs understands this type of message; ``False`` while none runs."""
    return bool((await connection.execute(_UNDERSTOOD, {"kind": WORKER, "type": type})).scalar_one())
