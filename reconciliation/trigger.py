"""Rocketry, the trigger of the jobs and nothing else (ADR 0020): which run is due, and whether one was missed, is asked of
Postgres. Nobody else imports rocketry or redbird.

Rocketry expects pydantic 1, and its import fails with 2. So both are imported while the name stands for pydantic's own
copy of version 1.
"""

import logging
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

import pydantic
import pydantic.v1

sys.modules["pydantic"] = pydantic.v1
try:
    from redbird.repos import MemoryRepo
    from rocketry import Rocketry
    from rocketry.conds import daily, every
    from rocketry.log import LogRecord
finally:
    sys.modules["pydantic"] = pydantic

#: After the midnight of the business zone: the day that is over has no stragglers any more.
DAILY_AFTER: Final = "00:10"
#: Rocketry remembers its runs, which nobody asks for: the latest are enough for its own conditions.
_REMEMBERED: Final = 100
_CYCLE_S: Final = 0.5


class Trigger:
    """Calls ``minutely`` at once and every minute, ``daily`` once a day after :data:`DAILY_AFTER` in ``zone``, at once where
    that is past. Neither may block or raise."""

    def __init__(self, zone: str, minutely: Callable[[], None], daily_: Callable[[], None]) -> None:
        logs = MemoryRepo(model=LogRecord, collection=deque(maxlen=_REMEMBERED))
        config: dict[str, Any] = {
            "execution": "async",
            "timezone": ZoneInfo(zone),
            "cycle_sleep": _CYCLE_S,
        }
        # Each run would be two lines of its own log.
        logging.getLogger("rocketry.task").propagate = False
        self._app = Rocketry(logger_repo=logs, config=config)

        async def minute() -> None:
            minutely()

        async def day() -> None:
            daily_()

        self._app.task(every("1 minute"), name="minutely")(minute)
        self._app.task(daily.after(DAILY_AFTER), name="daily")(day)

    async def run(self) -> None:
        """Until :meth:`stop`."""
        await self._app.serve()

    def stop(self) -> None:
        """End :meth:`run` at the next cycle."""
        self._app.session.shut_down()
