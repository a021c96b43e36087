import pytest

from storage.payments.save import Changes, save
from storage.streams.positions import LostPartition, Move, advance, load, load_positions, mark_published
from tests.support.factories import a_payment

TOPIC = "topic"


async def positions(engine, consumer="payments"):
    async with engine.begin() as connection:
        return await load_positions(connection, consumer, TOPIC, [0, 1])


async def test_a_new_consumer_starts_at_the_beginning(database):
    assert await positions(database) == {0: (0, 0), 1: (0, 0)}


async def test_a_position_moves_only_from_where_its_owner_left_it(database):
    await positions(database)
    async with database.begin() as connection:
        await advance(connection, "payments", TOPIC, {0: (0, 5)}, {0: 0})
    with pytest.raises(LostPartition):
        async with database.begin() as connection:
            await advance(connection, "payments", TOPIC, {0: (0, 7)}, {0: 0})
    assert (await positions(database))[0] == (5, 0)


async def test_one_lost_partition_fails_the_whole_move(database):
    await positions(database)
    async with database.begin() as connection:
        await advance(connection, "payments", TOPIC, {1: (0, 3)})
    with pytest.raises(LostPartition):
        async with database.begin() as connection:
            await advance(connection, "payments", TOPIC, {0: (0, 2), 1: (0, 4)})
    assert await positions(database) == {0: (0, 0), 1: (3, 3)}


async def test_consumers_of_one_topic_do_not_share_positions(database):
    await positions(database)
    async with database.begin() as connection:
        await load(connection, "other", TOPIC, [0])
        await advance(connection, "other", TOPIC, {0: (0, 9)})
    assert (await positions(database))[0] == (0, 0)


async def test_what_is_published_is_never_taken_back_nor_ahead_of_what_is_done(database):
    await positions(database)
    async with database.begin() as connection:
        await advance(connection, "payments", TOPIC, {0: (0, 5)}, {0: 0})
        await mark_published(connection, "payments", TOPIC, {0: 4})
        await mark_published(connection, "payments", TOPIC, {0: 2})
        await mark_published(connection, "payments", TOPIC, {0: 6})
    assert (await positions(database))[0] == (5, 4)


async def test_a_batch_is_written_only_where_its_positions_are_as_expected(database):
    payment = a_payment()
    changes = Changes(created=[payment], payments=[payment], operations=[], postings=[], journal=[])
    async with database.begin() as connection:
        await load(connection, "payments", TOPIC, [0, 1])
        await advance(connection, "payments", TOPIC, {1: (0, 3)})
    late = [Move("payments", TOPIC, 0, 0, 2, 0), Move("payments", TOPIC, 1, 0, 4, 0)]
    async with database.connect() as connection:
        with pytest.raises(LostPartition, match="moved by another process"):
            await save(connection, changes, late)
        await connection.rollback()
        assert (await connection.exec_driver_sql("SELECT count(*) FROM payments")).scalar_one() == 0
        assert await load(connection, "payments", TOPIC, [0, 1]) == {0: 0, 1: 3}
        await save(connection, changes, [Move("payments", TOPIC, 0, 0, 2, 1)])
        assert await load_positions(connection, "payments", TOPIC, [0]) == {0: (2, 1)}
        assert (await connection.exec_driver_sql("SELECT count(*) FROM payments")).scalar_one() == 1
