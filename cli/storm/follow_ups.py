"""Follow-ups ahead of their schedule, which could take hours."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.kafka.clients import new_producer
from runtime.kafka.publisher import Publisher
from runtime.settings import Settings
from storage.inspection import storm as sql
from streams.payments.follow_ups import follow_up_message

#: Open operations without news for this long are queried now.
QUIET_S: Final = 5.0
POLL_S: Final = 1.0
#: A follow-up that was sent is not sent again before this, seconds: the inbox may lag, and would never catch up.
RESEND_AFTER_S: Final = 600.0
#: If no operation ends for this long, the rest never will.
SETTLE_S: Final = 600.0


class EarlyFollowUps:
    """Sends follow-ups for open operations without news."""

    def __init__(self, settings: Settings, engine: AsyncEngine, storm: sql.Storm) -> None:
        self._producer = new_producer(settings)
        self._engine = engine
        self._storm = storm
        self.sent = 0

    async def __aenter__(self) -> Self:
        await self._producer.start()
        self._task = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._producer.stop()

    async def ask_all(self) -> None:
        """Ask about every payment that is final, and wait for the answers."""
        publisher, since = Publisher(self._producer), datetime.now(UTC)
        async with self._engine.connect() as connection:
            rows = await sql.orders_to_ask(connection, self._storm)
        messages = [follow_up_message(*row, datetime.now(UTC), on_demand=True) for row in rows]
        await publisher.publish(messages)
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            async with self._engine.connect() as connection:
                if not await sql.count_unanswered(connection, self._storm, since):
                    return
            await asyncio.sleep(POLL_S)

    async def _send(self) -> None:
        publisher, sent = Publisher(self._producer), dict[tuple[UUID, int], float]()
        while True:
            await asyncio.sleep(QUIET_S)
            async with self._engine.connect() as connection:
                found = await sql.open_operations(connection, self._storm, QUIET_S)
            now = time.monotonic()
            sent = {key: at for key, at in sent.items() if now - at < RESEND_AFTER_S}
            quiet = [row[:3] for row in found if row[3] and row[1:3] not in sent]
            sent |= {row[1:3]: now for row in quiet}
            await publisher.publish([follow_up_message(*row, datetime.now(UTC)) for row in quiet])
            self.sent += len(quiet)
