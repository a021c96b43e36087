"""A Postgres whose time can be made to pass: statements that ask for the time get the server's, moved forward."""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

# Names that are looked up before Postgres' own.
_SETUP = """
CREATE SCHEMA passing;
CREATE TABLE passing.passed (time interval NOT NULL);
INSERT INTO passing.passed VALUES ('0');
CREATE FUNCTION passing.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.now() + time FROM passing.passed';
CREATE FUNCTION passing.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + time FROM passing.passed'
"""


async def let_time_pass(engine: AsyncEngine, passed: timedelta) -> None:
    """Postgres' clock is ``passed`` ahead of the real one from now on. For a database of the test's own."""
    async with engine.begin() as connection:
        if (await connection.execute(text("SELECT to_regnamespace('passing')"))).scalar_one() is None:
            for statement in _SETUP.split(";"):
                await connection.execute(text(statement))
            name = (await connection.execute(text("SELECT current_database()"))).scalar_one()
            await connection.execute(text(f'ALTER DATABASE "{name}" SET search_path = passing, pg_catalog, public'))
        await connection.execute(text("UPDATE passing.passed SET time = :passed"), {"passed": passed})
    await engine.dispose()  # connections that were open look names up as before
