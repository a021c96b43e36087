"""Shows the supervisor that a sink is at work."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
#: A loop without a step for this long hangs. Above every deadline inside a step (a delivery, a query): a sink whose
#: destination is away takes a step per try, and so shows alive.
HUNG_AFTER_S: Final = 60.0


async def beat(
    path: Path, ready: Callable[[], bool], stepped_at: Callable[[], float], clock: Callable[[], float] = time.monotonic
) -> None:
    """Touch ``path`` every second, for ever, while ``ready()`` and the last step (by ``clock``) is not long ago."""
    while True:
        if ready():
            idle_s = clock() - stepped_at()
            if idle_s < HUNG_AFTER_S:
                await asyncio.to_thread(path.touch)
            else:
                log.critical("the sink hangs", no_step_for_s=round(idle_s))
        await asyncio.sleep(EVERY_S)
