"""Leases of slots: no two processes of a kind hold the same one."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.processes.leases import Lease, claim, live, release, renew

LEASE_S = 60.0
RAN_OUT_S = 0.0


async def claimed(database: AsyncEngine, holder: str, lease_s: float = LEASE_S, kind: str = "ingest") -> Lease:
    async with database.begin() as connection:
        lease = await claim(connection, kind, holder, "1.0", lease_s)
    assert lease is not None
    return lease


async def renewed(database: AsyncEngine, lease: Lease) -> bool:
    async with database.begin() as connection:
        return await renew(connection, lease, LEASE_S)


async def counted(database: AsyncEngine, kind: str = "ingest") -> int:
    async with database.begin() as connection:
        return await live(connection, kind)


async def test_processes_get_the_slots_from_zero_on_for_each_kind(database: AsyncEngine) -> None:
    assert [(await claimed(database, holder)).slot for holder in ("a", "b", "c")] == [0, 1, 2]
    assert (await claimed(database, "d", kind="admin")).slot == 0
    assert (await counted(database), await counted(database, "admin")) == (3, 1)


async def test_processes_that_start_at_once_get_different_slots(database: AsyncEngine) -> None:
    leases = await asyncio.gather(*(claimed(database, str(number)) for number in range(8)))
    assert sorted(lease.slot for lease in leases) == list(range(8))


async def test_a_slot_given_back_is_the_next_ones(database: AsyncEngine) -> None:
    first, second = await claimed(database, "a"), await claimed(database, "b")
    async with database.begin() as connection:
        await release(connection, first)
    assert await counted(database) == 1
    assert (await claimed(database, "c")).slot == 0
    assert await renewed(database, second)


async def test_a_slot_that_ran_out_goes_to_another_and_its_holder_learns_it(database: AsyncEngine) -> None:
    dead = await claimed(database, "dead", RAN_OUT_S)
    assert await counted(database) == 0
    successor = await claimed(database, "successor")
    assert successor.slot == dead.slot
    assert not await renewed(database, dead)
    async with database.begin() as connection:
        await release(connection, dead)
    assert await renewed(database, successor), "only its holder gives a slot back"


async def test_a_holder_that_was_late_keeps_a_slot_that_nobody_took(database: AsyncEngine) -> None:
    late = await claimed(database, "late", RAN_OUT_S)
    assert await renewed(database, late)
    assert await counted(database) == 1


async def test_a_lease_says_which_release_holds_it(database: AsyncEngine) -> None:
    await claimed(database, "a")
    async with database.connect() as connection:
        rows = (await connection.execute(text("SELECT kind, slot, holder, version FROM process_leases"))).all()
    assert rows == [("ingest", 0, "a", "1.0")]
