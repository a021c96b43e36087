"""Leases of slots: no two processes of a kind hold the same one, and all know what the others understand."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.processes.leases import WORKER, Lease, is_understood, live

LEASE_S = 60.0
RAN_OUT_S = 0.0
OLD, NEW = {"a.v1"}, {"a.v1", "b.v1"}


async def refreshed(database: AsyncEngine, lease: Lease) -> bool:
    async with database.begin() as connection:
        return await lease.refresh(connection)


async def claimed(database: AsyncEngine, holder: str, lease_s: float = LEASE_S, kind: str = "ingest") -> Lease:
    lease = Lease(kind, holder, "1.0", lease_s)
    assert await refreshed(database, lease)
    return lease


async def released(database: AsyncEngine, lease: Lease) -> None:
    async with database.begin() as connection:
        await lease.release(connection)


async def counted(database: AsyncEngine, kind: str = "ingest") -> int:
    async with database.begin() as connection:
        return await live(connection, kind)


async def understood(database: AsyncEngine, type: str) -> bool:
    async with database.begin() as connection:
        return await is_understood(connection, type)


async def test_processes_get_the_slots_from_zero_on_for_each_kind(database: AsyncEngine) -> None:
    assert [(await claimed(database, holder)).slot for holder in ("a", "b", "c")] == [0, 1, 2]
    assert (await claimed(database, "d", kind="admin")).slot == 0
    assert (await counted(database), await counted(database, "admin")) == (3, 1)


async def test_processes_that_start_at_once_get_different_slots(database: AsyncEngine) -> None:
    leases = await asyncio.gather(*(claimed(database, str(number)) for number in range(8)))
    assert sorted(lease.slot for lease in leases if lease.slot is not None) == list(range(8))


async def test_a_slot_given_back_is_the_next_ones(database: AsyncEngine) -> None:
    first, second = await claimed(database, "a"), await claimed(database, "b")
    await released(database, first)
    assert await counted(database) == 1
    assert (await claimed(database, "c")).slot == 0
    assert not await refreshed(database, second), "it is renewed"
    assert second.slot == 1


async def test_a_slot_that_ran_out_goes_to_another_and_its_holder_gets_another_one(database: AsyncEngine) -> None:
    late = await claimed(database, "late", RAN_OUT_S)
    assert await counted(database) == 0
    successor = await claimed(database, "successor")
    assert successor.slot == 0
    await released(database, late)
    assert not await refreshed(database, successor), "only its holder gives a slot back"
    assert await refreshed(database, late)
    assert late.slot == 1


async def test_a_holder_that_was_late_keeps_a_slot_that_nobody_took(database: AsyncEngine) -> None:
    late = await claimed(database, "late", RAN_OUT_S)
    assert not await refreshed(database, late)
    assert late.slot == 0


async def test_a_lease_says_which_release_holds_it(database: AsyncEngine) -> None:
    await claimed(database, "a")
    async with database.connect() as connection:
        rows = (await connection.execute(text("SELECT kind, slot, holder, version FROM process_leases"))).all()
    assert rows == [("ingest", 0, "a", "1.0")]


async def test_a_new_type_is_understood_once_the_last_old_worker_has_stopped(database: AsyncEngine) -> None:
    assert not await understood(database, "b.v1"), "no worker runs"
    await claimed(database, "another kind")
    old, new = (Lease(WORKER, name, name, LEASE_S, types) for name, types in (("old", OLD), ("new", NEW)))
    await refreshed(database, old)
    await refreshed(database, new)
    assert await understood(database, "a.v1")
    assert not await understood(database, "b.v1")
    await released(database, old)
    assert await understood(database, "b.v1")
    await refreshed(database, Lease(WORKER, "rolled back", "old", LEASE_S, OLD))
    assert not await understood(database, "b.v1")


async def test_a_worker_that_died_counts_until_its_lease_runs_out(database: AsyncEngine) -> None:
    await refreshed(database, Lease(WORKER, "died", "old", LEASE_S, OLD))
    await refreshed(database, Lease(WORKER, "new", "new", LEASE_S, NEW))
    assert not await understood(database, "b.v1")
    async with database.begin() as connection:
        await connection.execute(text("UPDATE process_leases SET until = now() WHERE holder = 'died'"))
    assert await understood(database, "b.v1")
