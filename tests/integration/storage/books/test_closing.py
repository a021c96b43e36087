"""A day is closed once, whole, and in order, whatever is written meanwhile."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.ledger.closed_day import canonical, chained
from billing.ledger.trial_balance import AccountBalance
from storage.books import closing
from storage.books.closing import CannotClose, LedgerBusy, close_day, period
from storage.books.trial_balance import Link, closed_day
from storage.clearing.events import unpublished
from tests.support.ledger import DAY, NOON, books_begin, dates_of, post

NEXT = DAY + timedelta(days=1)
PATIENCE_S = 20


@pytest.fixture(autouse=True)
async def _books(database):
    await books_begin(database)


async def closed(engine: AsyncEngine, day=DAY) -> Link:
    async with engine.begin() as connection:
        return await close_day(connection, day, "olga", "all explained")


async def first_open(engine: AsyncEngine):
    async with engine.connect() as connection:
        return (await period(connection)).first_open


async def waits_for_the_lock(engine: AsyncEngine, kind: str) -> None:
    """Return once a connection of this database waits for the ledger's lock in this mode."""
    waiting = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND mode = :mode AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    async with asyncio.timeout(PATIENCE_S), engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        while not (await connection.execute(waiting, {"mode": kind})).scalar_one():
            await asyncio.sleep(0.02)


async def test_a_closed_day_keeps_its_trial_balance(database):
    async with database.begin() as connection:
        await post(connection, 300)
        await post(connection, 50, accounts=("clearing:stripe", "suspense:stripe"))
        await post(connection, 7, currency="USD")
        await post(connection, 1_000, posted_at=NOON + timedelta(days=1))
    link = await closed(database)
    assert link.day.accounts == (
        AccountBalance("clearing:stripe", "RUB", 0, 50, 300, -250),
        AccountBalance("clearing:stripe", "USD", 0, 0, 7, -7),
        AccountBalance("fees:stripe", "RUB", 0, 300, 0, 300),
        AccountBalance("fees:stripe", "USD", 0, 7, 0, 7),
        AccountBalance("suspense:stripe", "RUB", 0, 0, 50, -50),
    )
    assert (link.day.entries, link.day.closed_by, link.day.reason) == (6, "olga", "all explained")
    async with database.connect() as connection:
        assert await closed_day(connection, DAY) == link
    assert await first_open(database) == NEXT


async def test_the_next_day_opens_with_what_the_last_one_closed_with_and_continues_its_hash(database):
    async with database.begin() as connection:
        await post(connection, 300)
        await post(connection, 40, posted_at=NOON + timedelta(days=1))
    first, second = await closed(database), await closed(database, NEXT)
    third = await closed(database, NEXT + timedelta(days=1))
    assert second.day.accounts[0] == AccountBalance("clearing:stripe", "RUB", -300, 0, 40, -340)
    assert third.day.accounts[0] == AccountBalance("clearing:stripe", "RUB", -340, 0, 0, -340)
    assert first.hash == chained(None, canonical(first.day))
    assert second.hash == chained(first.hash, canonical(second.day))
    assert third.hash == chained(second.hash, canonical(third.day))


async def test_entries_older_than_the_books_are_in_the_opening_balance_of_the_first_day(database):
    await books_begin(database, DAY - timedelta(days=10))
    async with database.begin() as connection:
        await post(connection, 30, posted_at=NOON - timedelta(days=2))
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await post(connection, 500)  # without the trigger, as before the migration
    await books_begin(database)
    link = await closed(database)
    assert link.day.accounts[0] == AccountBalance("clearing:stripe", "RUB", -530, 0, 0, -530)


async def test_an_entry_that_comes_after_the_close_is_booked_on_the_next_day(database):
    await closed(database)
    async with database.begin() as connection:
        assert await dates_of(connection, await post(connection)) == (NEXT, DAY)


async def test_an_entry_inserted_before_the_close_and_committed_after_it_began_is_part_of_the_day(database):
    async with database.connect() as writer:
        posting = await post(writer, 300)
        close = asyncio.create_task(closed(database))
        await waits_for_the_lock(database, "ExclusiveLock")
        await writer.commit()
    link = await close
    assert (link.day.entries, link.day.accounts[0].closing) == (2, -300)
    async with database.connect() as connection:
        assert await dates_of(connection, posting) == (DAY, None)


async def test_an_entry_that_comes_while_the_day_is_being_closed_is_booked_on_the_next_one(database):
    async def written(engine: AsyncEngine):
        async with engine.begin() as connection:
            return await post(connection)

    async with database.connect() as closer:
        link = await close_day(closer, DAY, "olga", "all explained")
        writer = asyncio.create_task(written(database))
        await waits_for_the_lock(database, "ShareLock")
        await closer.commit()
    posting = await writer
    assert link.day.entries == 0
    async with database.connect() as connection:
        assert await dates_of(connection, posting) == (NEXT, DAY)


async def test_a_close_that_dies_before_its_commit_leaves_the_day_open(database):
    async with database.connect() as closer:
        await close_day(closer, DAY, "olga", "all explained")
        await closer.invalidate()
    async with database.begin() as connection:
        assert await dates_of(connection, await post(connection)) == (DAY, None)
    assert (await closed(database)).day.entries == 2


async def test_a_writer_that_does_not_end_delays_payments_for_two_seconds_and_no_longer(database):
    async with database.begin() as connection:
        await post(connection)
    async with database.connect() as writer:
        await post(writer)
        with pytest.raises(LedgerBusy):
            await closed(database)
        async with asyncio.timeout(1), database.begin() as connection:
            await post(connection)
    assert await first_open(database) == DAY


async def test_a_process_that_stops_while_it_closes_is_cut_off(database):
    async def setting(connection: AsyncConnection):
        return (await connection.execute(text("SHOW idle_in_transaction_session_timeout"))).scalar_one()

    async with database.connect() as closer:
        await close_day(closer, DAY, "olga", "all explained")
        assert await setting(closer) == closing.IDLE_TIMEOUT
        await closer.rollback()
        assert await setting(closer) == "0"


async def test_of_two_closes_at_once_one_closes_the_day(database):
    async def late(engine: AsyncEngine) -> str:
        with pytest.raises(CannotClose) as caught:
            await closed(engine)
        return str(caught.value)

    async with database.connect() as closer:
        await close_day(closer, DAY, "olga", "all explained")
        other = asyncio.create_task(late(database))
        await waits_for_the_lock(database, "ExclusiveLock")
        await closer.commit()
    assert await other == f"{DAY} is closed already; the first open day is {NEXT}"
    async with database.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM closed_days"))).scalar_one() == 1


async def test_days_are_closed_in_order_once_they_are_over(database):
    async with database.connect() as connection:
        today = (await period(connection)).today
    with pytest.raises(CannotClose, match=f"{DAY} is open"):
        await closed(database, NEXT)
    await closed(database)
    with pytest.raises(CannotClose, match="closed already"):
        await closed(database)
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text("UPDATE accounting_period SET first_open = :day"), {"day": today})
    with pytest.raises(CannotClose, match="is not over"):
        await closed(database, today)


async def test_a_close_is_told_once_and_one_that_is_refused_is_not(database):
    link = await closed(database)
    with pytest.raises(CannotClose):
        await closed(database)
    async with database.connect() as connection:
        ((_, told),) = await unpublished(connection, 10)
    assert (told.accounting_date, told.closed_by, told.entries) == (DAY, "olga", link.day.entries)
    assert (told.hash, told.changed_at) == (link.hash.hex(), link.day.closed_at)
