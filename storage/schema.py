"""The revision of the Postgres schema that this release needs."""

from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime.postgres import POSTGRES_ERRORS, SchemaMismatch, connected
from runtime.settings import PostgresSettings

log = structlog.get_logger(__name__)

#: The last migration of this release. Revisions are four digits and grow.
REVISION: Final = "0041"
_REVISION = text("SELECT version_num FROM alembic_version")


async def stored_revision(connection: AsyncConnection) -> str | None:
    """The revision of the schema, ``None`` where none was ever migrated."""
    if (await connection.execute(text("SELECT to_regclass('alembic_version')"))).scalar_one() is None:
        return None
    revision: str | None = (await connection.execute(_REVISION)).scalar_one_or_none()
    return revision


async def require_schema(settings: PostgresSettings) -> None:
    """Raise :class:`~runtime.postgres.SchemaMismatch` where the schema is older than this release needs; a newer one is
    accepted, because releases only add to it. Where Postgres does not answer nothing is raised: ingest accepts payments
    without it, and the first statement of the others finds a schema that does not fit."""
    try:
        async with connected(settings) as engine, engine.connect() as connection:
            revision = await stored_revision(connection)
    except POSTGRES_ERRORS as error:
        log.warning("schema not checked: Postgres is unavailable", error=repr(error))
        return
    if revision is None or revision < REVISION:
        raise SchemaMismatch(f"the schema is at revision {revision or 'none'}, this release needs {REVISION}")
