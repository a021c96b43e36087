"""Work that a worker does again and again, as long as it lives."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import DBAPIError

log = structlog.get_logger(__name__)


async def run_periodically(every_s: float, work: Callable[[], Awaitable[object]], when_away: str) -> None:
    """Do ``work`` every ``every_s`` seconds, for ever. Postgres away: ``when_away`` is logged, and the next time
    does it."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except (DBAPIError, OSError, TimeoutError) as error:
            log.warning(when_away, error=repr(error))
