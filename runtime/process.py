"""The shell of every process of the service: how it ends, and how a supervisor sees that it works.

What a process does between its start and its stop is in the package that owns it.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import structlog

from runtime.postgres import SchemaMismatch

log = structlog.get_logger(__name__)

#: The process cannot trust its state: the next start reads it from Postgres (EX_SOFTWARE of sysexits.h).
EXIT_UNTRUSTED: Final = 70
#: The release does not fit the schema, or the settings are not valid (EX_CONFIG): another start changes nothing.
EXIT_CONFIG: Final = 78
#: How far a process of jobs yields the CPU to those that answer somebody (a niceness of Unix).
JOBS_NICENESS: Final = 15
BEAT_EVERY_S: Final = 1.0
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def exit_process(reason: str, code: int = EXIT_UNTRUSTED) -> NoReturn:
    """End the process at once, without clean-up: Postgres knows where the next one resumes."""
    log.critical("process exits", reason=reason, code=code)
    os._exit(code)


def lower_priority() -> None:
    """Let processes that answer somebody have the CPU first."""
    os.nice(JOBS_NICENESS)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Around all that a process does: a schema that does not fit ends it with :data:`EXIT_CONFIG`."""
    try:
        yield
    except SchemaMismatch as error:
        log.critical("schema mismatch", reason=str(error))
        raise SystemExit(EXIT_CONFIG) from error


def on_stop(stop: Callable[[], None]) -> None:
    """Call ``stop`` in the running loop when SIGTERM or SIGINT arrives."""
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)


async def close_all(*closers: Callable[[], Awaitable[None]]) -> None:
    """Close all of them, even if one fails."""
    for closed in await asyncio.gather(*(close() for close in closers), return_exceptions=True):
        if isinstance(closed, BaseException):
            log.warning("closing failed", error=repr(closed))


async def beat(path: Path | None, works: Callable[[], bool]) -> None:
    """Touch the heartbeat file ``path`` every second in which ``works()`` is true, forever; nothing without a path."""
    while path is not None:
        if works():
            await asyncio.to_thread(path.touch)
        await asyncio.sleep(BEAT_EVERY_S)


class BackgroundTasks:
    """What a process does beside its main work. A task that fails ends the process: nobody else would notice."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until it ends or :meth:`cancel`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    async def cancel(self) -> None:
        """End all of them."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, SchemaMismatch):
            exit_process(str(error), EXIT_CONFIG)
        else:
            log.critical("a background task failed", exc_info=error)
            exit_process(repr(error))
