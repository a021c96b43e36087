"""Which of the ingest processes this one is, and how many there are."""

import asyncio
import random
import secrets
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime import release
from runtime.periodic import run_periodically
from runtime.settings import IngestSettings
from storage.processes import leases

log = structlog.get_logger(__name__)

KIND: Final = "ingest"
#: A lease that is not renewed runs out after so many refreshes, and not before 15 s: a process that is slow for a
#: moment would change every client's share.
REFRESHES: Final = 3
LEASE_MIN_S: Final = 15.0
#: Seconds that starting and leaving wait for Postgres. Without it a process serves all the same.
POSTGRES_WAIT_S: Final = 2.0


class Instance:
    """``slot`` picks the partition of the replies topic, ``processes`` the share of each client's rate.

    Both come from a lease in Postgres, renewed as often as the API keys are read and given back on leaving, or from
    the settings. Before the first lease the slot is a random one: two processes may share a partition.
    """

    def __init__(
        self,
        settings: IngestSettings,
        connect: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
        lease_s: float | None = None,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._refresh_s = settings.api_keys_refresh_s
        self._lease = leases.Lease(
            KIND,
            f"{socket.gethostname()}-{secrets.token_hex(4)}",
            release.version(),
            max(LEASE_MIN_S, REFRESHES * self._refresh_s) if lease_s is None else lease_s,
        )
        self._drawn = random.randrange(leases.SLOTS)  # noqa: S311 - not a secret
        self._live = 1
        self._task: asyncio.Task[None] | None = None

    @property
    def slot(self) -> int:
        """0 for the first process, 1 for the second, and so on."""
        if self._settings.ingest_instance is not None:
            return self._settings.ingest_instance
        return self._drawn if self._lease.slot is None else self._lease.slot

    @property
    def processes(self) -> int:
        """How many ingest processes run, this one among them."""
        return self._live if self._settings.ingest_processes is None else self._settings.ingest_processes

    async def start(self) -> None:
        """Claim a slot and renew it from now on. Starts without one while Postgres does not answer."""
        if self._settings.ingest_instance is not None and self._settings.ingest_processes is not None:
            return
        try:
            async with asyncio.timeout(POSTGRES_WAIT_S):
                await self.refresh()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("no lease yet: Postgres does not answer", error=repr(error))
        self._task = asyncio.create_task(
            run_periodically(self._refresh_s, self.refresh, "lease not renewed: Postgres does not answer"),
            name="instance-lease",
        )

    async def refresh(self) -> None:
        """Renew the lease, or claim a slot; count the processes."""
        async with self._connect() as connection:
            if await self._lease.refresh(connection):
                log.info("lease claimed", slot=self.slot)
            self._live = max(1, await leases.live(connection, KIND))

    async def close(self) -> None:
        """Give the slot back; where Postgres does not answer, it is free once the lease runs out."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._lease.slot is None:
            return
        try:
            async with asyncio.timeout(POSTGRES_WAIT_S), self._connect() as connection:
                await self._lease.release(connection)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("lease not given back: Postgres does not answer", error=repr(error))
