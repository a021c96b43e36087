"""The monitor process: one of them, elected by a lock in Postgres, reads the books for Prometheus; another is a spare."""

import asyncio
from typing import Final

import structlog
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from monitoring.books import BookReader
from monitoring.ends import KafkaEnds
from monitoring.metrics import Metrics
from runtime.metrics import served
from runtime.periodic import run_periodically
from runtime.postgres import create_engine
from runtime.process import BackgroundTasks, beat, close_all, on_stop
from runtime.settings import MonitorSettings
from storage.processes.locks import Lock, writing

log = structlog.get_logger(__name__)

#: Between two looks into the books, and between two tries to be elected, seconds.
EVERY_S: Final = 5.0
#: A statement that takes longer is given up.
STATEMENT_S: Final = 5.0
#: One connection holds the lock and reads.
POOL_SIZE: Final = 1


def run(settings: MonitorSettings) -> None:
    """Run until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))


async def serve(settings: MonitorSettings) -> None:
    """The same inside a running loop."""
    metrics = Metrics()
    engine = create_engine(settings, pool_size=POOL_SIZE, command_timeout_s=STATEMENT_S)
    ends = KafkaEnds(settings)
    monitor = Monitor(engine, BookReader(ends), metrics)
    stopped = asyncio.Event()
    tasks = BackgroundTasks()
    on_stop(stopped.set)
    with served(metrics.registry, settings):
        tasks.spawn(beat(settings.heartbeat_file, lambda: True))
        tasks.spawn(monitor.run())
        log.info("started")
        await stopped.wait()
        await tasks.cancel()
        await close_all(ends.close, engine.dispose)
    log.info("stopped")


class Monitor:
    """Shows the books in ``metrics`` while this process is the elected one."""

    def __init__(self, engine: AsyncEngine, reader: BookReader, metrics: Metrics, every_s: float = EVERY_S) -> None:
        self._engine = engine
        self._reader = reader
        self._metrics = metrics
        self._every_s = every_s

    async def run(self) -> None:
        """Try to be elected, and read, forever. While Postgres does not answer, the metrics stay as they were."""
        await run_periodically(self._every_s, self._lead, "postgres is unavailable, the books are as they were")

    async def _lead(self) -> None:
        """Read for as long as this process has the lock. Its connection reads too: one that is lost ends the lead."""
        async with writing(self._engine, Lock.MONITOR, "books") as connection:
            if connection is None:
                self._metrics.stand_by()
                return
            log.info("elected")
            while True:
                self._metrics.show(await self._reader.read(connection))
                await asyncio.sleep(self._every_s)
