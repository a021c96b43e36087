"""Test clocks, where the providers are sandboxes: a time of their own for some subscriptions."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import msgspec

from backoffice.operators import InvalidArgument
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import Settings
from storage import test_clocks
from storage.test_clocks import TestClock

#: A clock goes no further at once.
FURTHEST: Final = timedelta(days=5 * 366)


class ClockState(msgspec.Struct, frozen=True):
    """A clock, and what it waits for: the number of its subscriptions, and of their charges under way."""

    clock: TestClock
    subscriptions: int
    charges_open: int

    @property
    def has_arrived(self) -> bool:
        """It stands at its target."""
        return self.clock.now_at >= self.clock.target_at


async def create(settings: Settings, client: str, name: str, at: datetime | None) -> TestClock:
    """Make a clock of an API client that stands at ``at`` (UTC), now by default. Raises :class:`InvalidArgument` where
    test clocks are not on."""
    if not settings.test_clocks:
        raise InvalidArgument("test clocks are off: set BILLING_TEST_CLOCKS=true where all providers are sandboxes")
    now = utc_now()
    at = at or now
    clock = TestClock(uuid4(), client, name, at, at, now)
    async with connected(settings) as engine, engine.begin() as connection:
        await test_clocks.create(connection, clock)
    return clock


async def advance(settings: Settings, id: UUID, to: datetime) -> ClockState:
    """Let a clock go on to ``to`` (UTC). Raises :class:`InvalidArgument` where it is later, or that is too far."""
    found = await show(settings, id)
    if to > found.clock.now_at + FURTHEST:
        raise InvalidArgument(f"{to} is more than five years after {found.clock.now_at}")
    async with connected(settings) as engine, engine.begin() as connection:
        if not await test_clocks.advance(connection, None, id, to):
            raise InvalidArgument(f"the clock is on its way to {found.clock.target_at}, and never goes back")
    return await show(settings, id)


async def show(settings: Settings, id: UUID) -> ClockState:
    """A clock. Raises :class:`InvalidArgument` where there is none."""
    async with connected(settings) as engine, engine.connect() as connection:
        clock = await test_clocks.find(connection, None, id)
        if clock is None:
            raise InvalidArgument(f"there is no test clock {id}")
        waiting = await test_clocks.waiting(connection, id)
    return ClockState(clock, waiting.subscriptions, waiting.charges)
