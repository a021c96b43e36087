from datetime import date

import pytest
from sqlalchemy import text

from storage.journal.partitions import create_partitions, detach_partitions, month_after, name_of, partitions


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 11, 23), 0, date(2026, 11, 1)),
        (date(2026, 11, 23), 2, date(2027, 1, 1)),
        (date(2027, 1, 31), -1, date(2026, 12, 1)),
    ],
)
def test_months_follow_one_another(day, months, expected):
    assert month_after(day, months) == expected


async def test_coming_months_are_made_once(database):
    async with database.begin() as connection:
        made = await create_partitions(connection, date(2031, 11, 15), 2)
        again = await create_partitions(connection, date(2031, 11, 15), 2)
    assert made == ["journal_2031_11", "journal_2031_12", "journal_2032_01"]
    assert again == []


async def test_a_migrated_database_has_a_partition_for_today(database):
    async with database.connect() as connection:
        today = (await connection.execute(text("SELECT current_date"))).scalar_one()
        assert name_of(today) in await partitions(connection)


async def test_a_month_that_has_rows_in_the_default_partition_is_left_to_it(database):
    async with database.begin() as connection:
        await connection.execute(
            text(
                """
                INSERT INTO journal (recorded_at, stream_partition, stream_offset, payment_id, message_id, type,
                                     message, outputs)
                VALUES ('2031-05-05', 0, 0, gen_random_uuid(), 'm', 't', '{}', '[]')
                """
            )
        )
        assert await create_partitions(connection, date(2031, 5, 1), 1) == ["journal_2031_06"]


async def test_old_months_are_taken_off_and_keep_their_rows(database):
    async with database.begin() as connection:
        await create_partitions(connection, date(2020, 1, 1), 1)
        taken = await detach_partitions(connection, date(2020, 2, 1))
        assert taken == ["journal_2020_01"]
        assert (await connection.execute(text("SELECT count(*) FROM journal_2020_01"))).scalar_one() == 0
        assert "journal_2020_02" in await partitions(connection)
