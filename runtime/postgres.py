"""The connection to Postgres, and what its errors mean."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from runtime.settings import PostgresSettings

#: What a statement raises while Postgres does not answer, among other things: also that no connection of the pool gets
#: free in time.
POSTGRES_ERRORS: Final = (DBAPIError, OSError, TimeoutError, PoolTimeoutError)
#: A process needs few connections: one per agent that writes, some for reads.
POOL_SIZE = 5
#: Seconds before a statement or a connection attempt is given up, so that an outage of Postgres is noticed.
COMMAND_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 5
#: Seconds that Postgres has to answer a readiness probe.
PROBE_S: Final = 1.0

#: SQLSTATEs that are about the data: unique_violation, check_violation, program_limit_exceeded (a text too long for its
#: index). With them class 22 and our own, class BL.
_REFUSED: Final = ("23505", "23514", "54000")
_REFUSED_CLASSES: Final = ("22", "BL")
#: not_null_violation, foreign_key_violation; class 42: missing or changed tables, columns, functions.
_MISMATCHED: Final = ("23502", "23503")
_MISMATCHED_CLASS: Final = "42"


class SchemaMismatch(SQLAlchemyError):
    """Release and schema do not fit: no message is to blame, and no retry will help. The process must stop."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason}. This release and the Postgres schema do not fit: run `billing migrate` of this release, or"
            " roll this process back to the release that fits the schema"
        )


def sqlstate(error: DBAPIError) -> str:
    """The SQLSTATE that Postgres gave, empty where it never answered."""
    return str(getattr(error.orig, "sqlstate", "") or "")


def is_refusal(error: DBAPIError) -> bool:
    """Whether Postgres looked at the data and will never accept it."""
    state = sqlstate(error)
    return state in _REFUSED or state[:2] in _REFUSED_CLASSES


def is_mismatch(error: DBAPIError) -> bool:
    """Whether the statement and the schema do not fit, whatever the data."""
    state = sqlstate(error)
    return state in _MISMATCHED or state[:2] == _MISMATCHED_CLASS


def _raise_mismatch(context: ExceptionContext) -> None:
    error = context.sqlalchemy_exception
    if isinstance(error, DBAPIError) and is_mismatch(error):
        reason = str(error.orig).splitlines()[0]
        raise SchemaMismatch(f"{reason} (SQLSTATE {sqlstate(error)})")


def create_engine(
    settings: PostgresSettings, *, pool_size: int = POOL_SIZE, command_timeout_s: float | None = COMMAND_TIMEOUT_S
) -> AsyncEngine:
    """An engine on ``settings.postgres_url``. Opens nothing yet. Its statements raise :class:`SchemaMismatch` where
    they do not fit the schema."""
    url, tls = asyncpg_target(settings.postgres_url)
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={
            **tls,
            "command_timeout": command_timeout_s,
            "timeout": CONNECT_TIMEOUT_S,
            "server_settings": {"application_name": "billing", "jit": "off", "timezone": "UTC"},
        },
    )
    event.listen(engine.sync_engine, "handle_error", _raise_mismatch)
    return engine


def asyncpg_target(postgres_url: str) -> tuple[URL, dict[str, Any]]:
    """The URL for SQLAlchemy and asyncpg's ``ssl`` argument, from libpq's ``sslmode`` and ``sslrootcert`` in the query:
    SQLAlchemy passes them on to asyncpg, which knows them in a DSN only."""
    url = make_url(postgres_url).set(drivername="postgresql+asyncpg")
    mode, ca = url.query.get("sslmode"), url.query.get("sslrootcert")
    url = url.difference_update_query(["sslmode", "sslrootcert"])
    if mode not in {"verify-ca", "verify-full"}:
        return url, {} if mode is None else {"ssl": mode}
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    context.check_hostname = mode == "verify-full"
    return url, {"ssl": context}


async def answers(engine: AsyncEngine) -> bool:
    """Whether Postgres answers within :data:`PROBE_S`. One that hangs is left to itself: ending the wait may hang."""
    probe = asyncio.ensure_future(_probe(engine))
    done, _ = await asyncio.wait({probe}, timeout=PROBE_S)
    if not done:
        probe.cancel()
        return False
    return probe.result()


async def _probe(engine: AsyncEngine) -> bool:
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (*POSTGRES_ERRORS, SQLAlchemyError):
        return False
    return True


@asynccontextmanager
async def connected(
    settings: PostgresSettings, *, command_timeout_s: float | None = COMMAND_TIMEOUT_S
) -> AsyncIterator[AsyncEngine]:
    """An engine for one piece of work."""
    engine = create_engine(settings, command_timeout_s=command_timeout_s)
    try:
        yield engine
    finally:
        await engine.dispose()
