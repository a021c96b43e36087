import pytest

from storage.positions import LostPartition, advance, load, load_positions, mark_published

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
