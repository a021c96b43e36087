"""Test clocks, where the providers are sandboxes: a time of their own for some subscriptions."""

from datetime import datetime
from uuid import UUID, uuid4

from backoffice.operators import InvalidArgument
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import Settings
from storage import test_clocks
from storage.test_clocks import ClockRefused, ClockState, TestClock


async def create(settings: Settings, client: str, name: str, at: datetime | None) -> TestClock:
    """Make a clock of an API client that stands at ``at`` (UTC), now by default. Raises :class:`InvalidArgument` where
    test clocks are not on, or no clock can stand there."""
    if not settings.test_clocks:
        raise InvalidArgument("test clocks are off: set BILLING_TEST_CLOCKS=true where all providers are sandboxes")
    now = utc_now()
    at = at or now
    clock = TestClock(uuid4(), client, name, at, at, now)
    async with connected(settings) as engine, engine.begin() as connection:
        try:
            await test_clocks.create(connection, clock)
        except ClockRefused as error:
            raise InvalidArgument(error.refusal.detail) from error
    return clock


async def advance(settings: Settings, id: UUID, to: datetime) -> ClockState:
    """Let a clock go on to ``to`` (UTC). Raises :class:`InvalidArgument` where it is later, or that is too far."""
    await show(settings, id)
    async with connected(settings) as engine, engine.begin() as connection:
        try:
            await test_clocks.advance(connection, id, to)
        except ClockRefused as error:
            raise InvalidArgument(error.refusal.detail) from error
    return await show(settings, id)


async def show(settings: Settings, id: UUID) -> ClockState:
    """A clock. Raises :class:`InvalidArgument` where there is none."""
    async with connected(settings) as engine, engine.connect() as connection:
        state = await test_clocks.read(connection, None, id)
    if state is None:
        raise InvalidArgument(f"there is no test clock {id}")
    return state
