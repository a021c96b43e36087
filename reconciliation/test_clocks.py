"""Moves test clocks: wakes their subscriptions, each at the time of its appointment, until the clock is at its target.

Each customer's subscriptions are woken at the times of their own appointments, in order, and wait for their own charges.
Customers do not wait for each other, so that a clock is as fast as the payments of all of them together. The clock shows
the time up to which nothing is left to do for any.
"""

import asyncio
import time
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.messages.subscription_commands import Wake
from reconciliation.metrics import Metrics
from reconciliation.wake_ups import wake_ups
from runtime.kafka.publisher import Publisher
from storage import test_clocks
from storage.processes.leases import is_understood
from storage.processes.locks import Lock, held
from storage.test_clocks import DueByClock, TestClock

log = structlog.get_logger(__name__)

#: A wake-up that showed no effect for this long is sent again, seconds.
AGAIN_S: Final = 10.0
#: Between two looks at a clock that waits for decisions and payments, seconds.
LOOK_S: Final = 0.05


class TestClocks:
    """The clocks of one process."""

    __test__ = False  # keeps pytest from collecting it

    def __init__(self, engine: AsyncEngine, publisher: Publisher, metrics: Metrics) -> None:
        self._engine = engine
        self._statements = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._publisher = publisher
        self._metrics = metrics
        #: Subscription → the appointment that it was woken for, and when (monotonic).
        self._woken: dict[UUID, tuple[datetime, float]] = {}

    async def drive(self) -> None:
        """Move the clocks until all are at their targets. One process does so at a time."""
        async with held(self._engine, Lock.TEST_CLOCKS) as got:
            if not got:
                return
            async with self._statements.connect() as connection:
                if not await is_understood(connection, Wake.TYPE):
                    return
                while clocks := await test_clocks.advancing(connection):
                    self._metrics.clocks(len(clocks))
                    moved = [await self.look(connection, clock) for clock in clocks]
                    if not any(moved):
                        await asyncio.sleep(LOOK_S)
                self._metrics.clocks(0)
                self._woken.clear()

    async def look(self, connection: AsyncConnection, clock: TestClock) -> bool:
        """Wake the subscriptions of a clock that are due, and move it as far as nothing is left to do; whether it moved."""
        earliest = (await test_clocks.waiting(connection, clock.id)).earliest
        now = clock.target_at if earliest is None else min(clock.target_at, earliest)
        outputs = []
        for due in await test_clocks.due(connection, clock.id, clock.target_at):
            if self._is_news(due):
                outputs += await wake_ups(connection, [(due.id, due.what, due.method_id)], due.at)
        await self._publisher.publish(outputs)
        return await test_clocks.move(connection, clock.id, now)

    def _is_news(self, due: DueByClock) -> bool:
        """Whether the subscription was not woken for this appointment just now."""
        at, sent = self._woken.get(due.id, (None, 0.0))
        if at == due.at and time.monotonic() - sent < AGAIN_S:
            return False
        self._woken[due.id] = due.at, time.monotonic()
        return True
