"""Test clocks: subscriptions at a sandbox live through months in minutes."""

import asyncio
import time
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from billing_client.subscription_models import ClockStatus, TestClock
from billing_client.transport import Transport

#: Between two looks at a clock that is on its way, seconds.
_LOOK_S: Final = 0.5


class TestClocks:
    """Test clocks. Where the service runs without them every method raises :class:`~billing_client.errors.Forbidden`."""

    __test__ = False  # keeps pytest from collecting it

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, name: str, *, at: datetime | None = None, idempotency_key: str | None = None) -> TestClock:
        """Make a clock that stands at ``at``, with an offset; now by default. A repeat with the same key and body returns
        the same clock."""
        body = {"name": name, **({} if at is None else {"at": at})}
        return (await self._transport.command("POST", "/v1/test-clocks", body, idempotency_key)).read(TestClock)

    async def read(self, id: UUID) -> TestClock:
        """Where a clock stands. Its subscriptions: ``subscriptions.list(test_clock=str(id))``."""
        return (await self._transport.send("GET", f"/v1/test-clocks/{id}")).read(TestClock)

    async def advance(self, id: UUID, to: datetime, *, within_s: float = 0.0) -> TestClock:
        """Let a clock go on to ``to``, with an offset, and wait until it is there, ``within_s`` seconds at most: a clock
        whose ``status`` is ``ADVANCING`` then goes on by itself. A repeat changes nothing."""
        deadline = time.monotonic() + within_s
        answer = await self._transport.send(
            "POST",
            f"/v1/test-clocks/{id}/advance",
            body=msgspec.json.encode({"to": to}),
            headers={"Content-Type": "application/json"},
        )
        clock = answer.read(TestClock)
        while clock.status is ClockStatus.ADVANCING and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)
            clock = await self.read(id)
        return clock
