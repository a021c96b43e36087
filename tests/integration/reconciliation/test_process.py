"""The scheduler process shows that it runs, for as long as it does."""

import asyncio
import os
import signal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from reconciliation import process
from runtime.settings import SchedulerSettings
from storage.processes.leases import SCHEDULER, live


async def test_a_scheduler_holds_a_lease_until_it_stops(
    database: AsyncEngine, stack: dict[str, Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr(process, "RENEW_LEASE_S", 0.05)
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    settings = SchedulerSettings(postgres_url=url, kafka_url=stack["urls"]["kafka"], metrics_port=0)

    async def running() -> int:
        async with database.connect() as connection:
            return await live(connection, SCHEDULER)

    task = asyncio.create_task(process.serve(settings))
    async with asyncio.timeout(60):
        while not await running():
            assert not task.done(), task
            await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        await task
    assert await running() == 0
