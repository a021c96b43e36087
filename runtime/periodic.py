"""Work that a process repeats at an interval."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from runtime.postgres import POSTGRES_ERRORS

log = structlog.get_logger(__name__)


async def run_periodically(every_s: float, work: Callable[[], Awaitable[object]], failure: str) -> None:
    """Do ``work`` every ``every_s`` seconds. Never returns. When Postgres does not answer, ``failure`` is logged and
    the next interval tries again."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except POSTGRES_ERRORS as error:
            log.warning(failure, error=repr(error))
