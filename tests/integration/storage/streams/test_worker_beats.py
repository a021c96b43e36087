"""Whether every running worker knows a type of message."""

from sqlalchemy import text

from storage.streams.worker_beats import GONE_AFTER_S, beat, is_understood, stopped

OLD, NEW = {"a.v1"}, {"a.v1", "b.v1"}


async def test_a_new_type_is_understood_once_the_last_old_worker_has_stopped(database):
    async with database.begin() as connection:
        assert not await is_understood(connection, "b.v1"), "no worker runs"
        await beat(connection, "worker-1", OLD)
        await beat(connection, "worker-2", NEW)
        assert await is_understood(connection, "a.v1")
        assert not await is_understood(connection, "b.v1")
        await stopped(connection, "worker-1")
        assert await is_understood(connection, "b.v1")
        await beat(connection, "worker-2", OLD)
        assert not await is_understood(connection, "b.v1"), "it was rolled back"


async def test_a_worker_that_died_counts_until_its_beats_are_missed(database):
    late = text("UPDATE worker_beats SET beat_at = now() - make_interval(secs => :age) WHERE worker = 'worker-1'")
    async with database.begin() as connection:
        await beat(connection, "worker-1", OLD)
        await beat(connection, "worker-2", NEW)
        await connection.execute(late, {"age": GONE_AFTER_S - 5})
        assert not await is_understood(connection, "b.v1")
        await connection.execute(late, {"age": GONE_AFTER_S + 5})
        assert await is_understood(connection, "b.v1")
