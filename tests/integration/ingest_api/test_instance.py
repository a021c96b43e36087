"""Which ingest process this is, and how many there are, by leases in Postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ingest_api import instance
from ingest_api.instance import Instance
from runtime.settings import Settings

PATIENCE_S = 60


@asynccontextmanager
async def serving(database: AsyncEngine, **settings: Any) -> AsyncIterator[Instance]:
    started = Instance(Settings(**{"api_keys_refresh_s": 0.05, **settings}), database.begin)
    await started.start()
    try:
        yield started
    finally:
        await started.close()


async def becomes(expected: Any, current: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while current() != expected:
            await asyncio.sleep(0.01)


async def test_each_process_has_a_slot_of_its_own_and_all_know_how_many_they_are(database: AsyncEngine) -> None:
    async with AsyncExitStack() as stack:
        three = [await stack.enter_async_context(serving(database)) for _ in range(3)]
        assert [one.slot for one in three] == [0, 1, 2]
        await becomes([3, 3, 3], lambda: [one.processes for one in three])


async def test_a_process_that_leaves_is_not_counted_any_more(database: AsyncEngine) -> None:
    async with serving(database) as stays:
        async with serving(database):
            await becomes(2, lambda: stays.processes)
        await becomes(1, lambda: stays.processes)


async def test_a_process_that_died_is_not_counted_once_its_lease_ran_out(database: AsyncEngine) -> None:
    async with serving(database) as stays:
        died = Instance(Settings(), database.begin, lease_s=1.0)
        await died.refresh()
        assert died.processes == 2
        await becomes(1, lambda: stays.processes)


async def test_a_process_whose_slot_was_taken_gets_another(database: AsyncEngine) -> None:
    slept = Instance(Settings(), database.begin, lease_s=0.0)
    await slept.refresh()
    assert slept.slot == 0
    async with serving(database) as other:
        await becomes(0, lambda: other.slot)
        await slept.refresh()
        assert slept.slot == 1


async def test_a_process_starts_and_leaves_without_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "POSTGRES_WAIT_S", 0.05)

    @asynccontextmanager
    async def hangs() -> AsyncIterator[AsyncConnection]:
        await asyncio.Event().wait()
        yield None  # type: ignore[misc]

    alone = Instance(Settings(), hangs)
    await alone.start()
    assert alone.processes == 1
    assert alone.slot >= 0
    await alone.close()


async def test_the_settings_go_before_the_lease(database: AsyncEngine) -> None:
    async with serving(database, ingest_instance=7) as seventh:
        assert (seventh.slot, seventh.processes) == (7, 1)
    async with serving(database, ingest_instance=7, ingest_processes=3) as seventh, serving(database) as first:
        assert (seventh.slot, seventh.processes) == (7, 3)
        assert (first.slot, first.processes) == (0, 1), "who has both from the settings holds no lease"
