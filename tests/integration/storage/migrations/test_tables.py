"""The tables as the code declares them are the tables that the migrations make."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from storage.tables import JOURNAL, METADATA


def _is_ours(name, type_, parents):
    table = name if type_ == "table" else parents.get("table_name", "")
    return table is None or not str(table).startswith(f"{JOURNAL.name}_")  # its partitions


async def differences(engine):
    def compare(connection):
        options = {"compare_type": True, "compare_server_default": True, "include_name": _is_ours}
        return compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)

    async with engine.connect() as connection:
        return await connection.run_sync(compare)


async def test_the_declared_tables_are_those_of_the_migrated_schema(database):
    assert await differences(database) == []


async def test_a_column_that_is_not_declared_is_a_difference(database):
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE payments ADD COLUMN next_release text"))
    assert [difference[0] for difference in await differences(database)] == ["remove_column"]
