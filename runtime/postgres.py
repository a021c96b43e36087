"""The connection to Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from runtime.settings import Settings

#: A process needs few connections: one per agent that writes, some for reads.
POOL_SIZE = 5
#: Seconds before a statement or a connection attempt is given up: Postgres away must be noticed, not waited out.
COMMAND_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 5


def create_engine(settings: Settings, *, pool_size: int = POOL_SIZE) -> AsyncEngine:
    """An engine on ``settings.postgres_url``. Opens nothing yet."""
    url = make_url(settings.postgres_url).set(drivername="postgresql+asyncpg")
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={
            "command_timeout": COMMAND_TIMEOUT_S,
            "timeout": CONNECT_TIMEOUT_S,
            "server_settings": {"application_name": "billing", "jit": "off", "timezone": "UTC"},
        },
    )


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine for one piece of work."""
    engine = create_engine(settings)
    try:
        yield engine
    finally:
        await engine.dispose()
