"""The supervisor of a state folder: starts the parts in order, keeps them running, stops them in order.

It writes what it sees to ``stack.json``; ``billing up``, ``down`` and ``status`` read that and send signals: SIGUSR1
makes it look again and start dead parts at once, SIGTERM stops everything. It never gives up on a part by itself:
the command that waits for the stack decides how long.
"""

import asyncio
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog

from deploy.local.layout import Layout, Memory, load_memory, save_memory, trim_log, write_private
from deploy.local.leftovers import wait_for_leftovers
from deploy.local.part import PartUnavailable, Stage
from deploy.local.process import Process
from deploy.local.stack import Stack, base_environment

log = structlog.get_logger(__name__)

#: How often ``stack.json`` is written.
WRITE_S: Final = 0.25
LOGS_S: Final = 30.0
#: `billing up` and `down` hold the lock for an instant to see whether a supervisor runs.
LOCK_PATIENCE_S: Final = 2.0


class Supervisor:
    """Runs the stack that ``compose`` says, until told to stop. ``compose`` is asked again on every SIGUSR1."""

    def __init__(self, compose: Callable[[Memory], Stack], layout: Layout) -> None:
        self._compose = compose
        self._layout = layout
        self._memory = load_memory(layout)
        self._stack = self._composed()
        self._processes: dict[str, Process] = {}
        self._stage = Stage.GROUND
        self._phase = "starting"
        self._problem = ""
        self._heeded_at = time.time()
        self._stopping = asyncio.Event()
        self._nudge = asyncio.Event()

    async def run(self) -> None:
        """Start, watch, stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGUSR1, self._nudge.set)
        chores = [asyncio.create_task(work) for work in (self._start(), self._keep_status(), self._obey_nudges())]
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({stopping, *chores}, return_when=asyncio.FIRST_COMPLETED)
        for chore in (chores[0], chores[2]):
            chore.cancel()
        self._phase = "stopping"
        await self._stop(list(self._processes))
        self._phase = "stopped"
        chores[1].cancel()
        self._write_status()
        for chore in chores:
            with suppress(asyncio.CancelledError):
                await chore

    def _composed(self) -> Stack:
        stack = self._compose(self._memory)
        save_memory(self._layout, self._memory)
        return stack

    async def _start(self) -> None:
        await self._raise_to(Stage.SERVER)
        while not await self._migrate():
            await self._nudge.wait()
        await self._raise_to(Stage.OURS)
        self._phase = "ready"
        await asyncio.Event().wait()

    async def _raise_to(self, stage: Stage) -> None:
        """Start what belongs to a stage, and return when all of it works."""
        self._stage = stage
        self._adopt()
        while not all(process.healthy for process in self._processes.values()):  # noqa: ASYNC110 - a level, no event
            await asyncio.sleep(0.05)

    def _adopt(self) -> list[str]:
        """Start the parts of the stack that are due and not known yet; the names that are no longer wanted."""
        environment = base_environment() | self._stack.environment
        for part in self._stack.parts:
            if part.stage <= self._stage and part.name not in self._processes:
                self._processes[part.name] = process = Process(part, environment, self._layout)
                process.keep_running()
        wanted = {part.name for part in self._stack.parts}
        return [name for name in self._processes if name not in wanted]

    async def _obey_nudges(self) -> None:
        while True:
            await self._nudge.wait()
            self._nudge.clear()
            heeded_at = time.time()
            self._stack = self._composed()
            await self._stop(self._adopt())
            for process in self._processes.values():
                process.hurry()
            if self._phase == "failed":  # the migrations run again
                self._phase, self._problem = "migrating", ""
            self._heeded_at = heeded_at

    async def _migrate(self) -> bool:
        if not self._stack.migrates:
            return True
        self._phase, self._problem = "migrating", ""
        with self._layout.log("migrate").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "cli.main", "migrate",
                env=base_environment() | self._stack.environment, stdout=output, stderr=output,
            )  # fmt: skip
        if await process.wait() != 0:
            self._phase, self._problem = "failed", "the migrations failed: billing logs migrate"
            return False
        self._phase = "starting"
        return True

    async def _stop(self, names: list[str]) -> None:
        for stage in reversed(Stage):
            group = [self._processes[name] for name in names if self._processes[name].part.stage == stage]
            await asyncio.gather(*(process.stop() for process in group))
        for name in names:
            del self._processes[name]

    async def _keep_status(self) -> None:
        trim_at = 0.0
        while True:
            self._write_status()
            if time.monotonic() >= trim_at:
                for path in self._layout.logs.glob("*.log"):
                    trim_log(path)
                trim_at = time.monotonic() + LOGS_S
            await asyncio.sleep(WRITE_S)

    def _write_status(self) -> None:
        status = {
            "phase": self._phase,
            "problem": self._problem,
            "heeded_at": self._heeded_at,
            "supervisor_pid": os.getpid(),
            "urls": self._stack.urls,
            "embedded": self._stack.embedded,
            "api_key": self._stack.api_key,
            "environment": self._stack.environment,
            "processes": [process.facts() for process in self._processes.values()],
        }
        write_private(self._layout.status, msgspec.json.encode(status))


def supervise(compose: Callable[[Memory], Stack], layout: Layout) -> int:
    """Run the supervisor of a state folder and return its exit code; 0 at once where there is one already."""
    layout.prepare()
    with layout.lock.open("a+") as lock:
        if not _locked(lock):
            return 0
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        wait_for_leftovers(layout)
        try:
            supervisor = Supervisor(compose, layout)
        except PartUnavailable as problem:
            failed: dict[str, Any] = {"phase": "failed", "problem": str(problem), "heeded_at": time.time()}
            write_private(layout.status, msgspec.json.encode(failed | {"processes": [], "urls": {}, "embedded": {}}))
            return 1
        asyncio.run(supervisor.run())
    return 0


def _locked(lock: Any) -> bool:
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True
