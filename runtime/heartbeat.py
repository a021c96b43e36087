"""The heartbeat file of a sink: its age shows a supervisor whether the sink hangs."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
#: A loop without a step for this long hangs. Longer than every deadline inside a step (a delivery, a query). A sink
#: whose destination is unavailable takes a step per attempt, so an outage does not stop the heartbeat.
HUNG_AFTER_S: Final = 60.0


async def beat(
    path: Path, ready: Callable[[], bool], stepped_at: Callable[[], float], clock: Callable[[], float] = time.monotonic
) -> None:
    """Touch ``path`` every second while ``ready()`` and the last step (by ``clock``) is recent. Never returns."""
    while True:
        if ready():
            idle_s = clock() - stepped_at()
            if idle_s < HUNG_AFTER_S:
                await asyncio.to_thread(path.touch)
            else:
                log.critical("the sink hangs", no_step_for_s=round(idle_s))
        await asyncio.sleep(EVERY_S)
