import asyncio
from contextlib import suppress

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runtime.periodic import run_periodically


@pytest.mark.parametrize(
    "error", [PoolTimeoutError("no connection got free"), OperationalError("SELECT", {}, OSError())]
)
async def test_work_that_postgres_does_not_answer_is_done_again_at_the_next_time(error: Exception) -> None:
    done = 0

    async def work() -> None:
        nonlocal done
        done += 1
        if done == 1:
            raise error

    task = asyncio.ensure_future(run_periodically(0.0, work, "postgres is unavailable"))
    async with asyncio.timeout(5):
        while done < 3:
            assert not task.done(), task.exception()
            await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
