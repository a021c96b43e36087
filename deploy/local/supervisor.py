"""The supervisor: starts the parts, starts them again when they die, stops them in the right order.

One per state folder. It writes what it sees to ``stack.json`` every second; `billing up`, `down` and `status` read
that and send signals: SIGUSR1 starts dead parts at once, SIGTERM stops everything. When it is killed itself, the
kernel kills its children (PR_SET_PDEATHSIG).
"""

import asyncio
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog

from deploy.local.kafka import PartUnavailable
from deploy.local.layout import Layout, Memory, save_memory, write_private
from deploy.local.part import Part
from deploy.local.stack import Stack, base_environment

log = structlog.get_logger(__name__)

EVERY_S: Final = 0.5
#: A part that dies again and again is started after these pauses, the last one for ever.
BACKOFF_S: Final = (0.0, 1.0, 2.0, 5.0, 10.0)
#: A part that lived this long has a clean record again.
SETTLED_S: Final = 60.0
#: A part that does not get ready for this long while the stack starts is given up on.
START_PATIENCE_S: Final = 90.0
PR_SET_PDEATHSIG: Final = 1


class Running:
    """A part and its process."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.restarts = -1
        self.healthy = False
        self._failures = 0
        self._not_before = 0.0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def due(self) -> bool:
        """Dead, and the pause before the next start is over."""
        return not self.alive and time.monotonic() >= self._not_before

    def hurry(self) -> None:
        """Forget the pause."""
        self._failures, self._not_before = 0, 0.0

    def note_death(self) -> None:
        """Work out the pause before the next start."""
        if time.monotonic() - self.started_at > SETTLED_S:
            self._failures = 0
        pause = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        self._failures += 1
        self._not_before = time.monotonic() + pause
        self.healthy = False


class Supervisor:
    """Runs a :class:`Stack` until told to stop."""

    def __init__(self, stack: Stack, layout: Layout, memory: Memory) -> None:
        self._stack = stack
        self._layout = layout
        self._memory = memory
        self._running = {part.name: Running(part) for part in stack.parts}
        self._phase = "starting"
        self._problem = ""
        self._looked_at = 0.0
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Start, watch, stop; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGUSR1, self._hurry)
        writing = asyncio.create_task(self._keep_status())
        try:
            starting = asyncio.create_task(self._start())
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                self._phase = "ready"
                await self._watch()
            starting.cancel()
        except PartUnavailable as problem:
            self._problem = str(problem)
            log.exception("the stack cannot start")
        self._phase = "failed" if self._problem else "stopping"
        await self._stop()
        self._phase = "failed" if self._problem else "stopped"
        await self._write_status()
        writing.cancel()
        return 1 if self._problem else 0

    async def _start(self) -> None:
        servers = [r for r in self._running.values() if not r.part.own]
        await self._all(self._bring_up(running) for running in servers)
        await self._migrate()
        await self._all(self._bring_up(running) for running in self._running.values() if running.part.own)

    async def _all(self, work: Any) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for coroutine in work:
                    group.create_task(coroutine)
        except* PartUnavailable as problems:
            raise problems.exceptions[0] from None

    async def _bring_up(self, running: Running) -> None:
        part = running.part
        if part.prepare is not None:
            await part.prepare()
        self._spawn(running)
        deadline = time.monotonic() + START_PATIENCE_S
        while not await part.ready():
            if time.monotonic() > deadline:
                raise PartUnavailable(
                    f"{part.name} did not get ready in {START_PATIENCE_S:.0f} s: billing logs {part.name}"
                )
            if not running.alive:
                running.note_death()
                if running.restarts >= len(BACKOFF_S):
                    raise PartUnavailable(f"{part.name} keeps dying: billing logs {part.name}")
                await asyncio.sleep(BACKOFF_S[min(running.restarts + 1, len(BACKOFF_S) - 1)])
                self._spawn(running)
            await asyncio.sleep(0.1)
        running.healthy = True

    def _spawn(self, running: Running) -> None:
        """Start the process. From this thread only: the kernel's death signal hangs on the thread that forked."""
        part = running.part
        environment = base_environment() | self._stack.environment | dict(part.env)
        with self._layout.log(part.name).open("ab") as output:
            running.process = subprocess.Popen(
                part.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - the fork is this thread's, and it has no others
            )
        running.started_at = time.monotonic()
        running.restarts += 1
        log.info("started", part=part.name, pid=running.process.pid, restarts=running.restarts)

    async def _migrate(self) -> None:
        self._phase = "migrating"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", "migrate",
            env=base_environment() | self._stack.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        self._layout.log("migrate").write_bytes(output)
        if process.returncode != 0:
            raise PartUnavailable(f"the migrations failed: billing logs migrate\n{output.decode()[-2000:]}")
        self._phase = "starting"

    async def _watch(self) -> None:
        while not self._stopping.is_set():
            looked_at = time.time()
            for running in self._running.values():
                if running.process is not None and not running.alive and running.process.returncode is not None:
                    log.warning("died", part=running.part.name, code=running.process.returncode)
                    running.process = None
                    running.note_death()
                if running.due:
                    self._spawn(running)
            checks = await asyncio.gather(*(running.part.ready() for running in self._running.values()))
            for running, healthy in zip(self._running.values(), checks, strict=True):
                running.healthy = healthy and running.alive
            self._looked_at = looked_at
            try:
                await asyncio.wait_for(self._stopping.wait(), EVERY_S)
            except TimeoutError:
                continue

    async def _stop(self) -> None:
        own = [r for r in self._running.values() if r.part.own]
        servers = [r for r in self._running.values() if not r.part.own and r.part.name != "epmd"]
        mapper = [r for r in self._running.values() if r.part.name == "epmd"]
        for group in (own, servers, mapper):
            await asyncio.gather(*(_stop_one(running) for running in group))

    def _hurry(self) -> None:
        for running in self._running.values():
            running.hurry()

    async def _keep_status(self) -> None:
        while True:
            await self._write_status()
            await asyncio.sleep(EVERY_S)

    async def _write_status(self) -> None:
        status = {
            "phase": self._phase,
            "problem": self._problem,
            "supervisor_pid": os.getpid(),
            "looked_at": self._looked_at,
            "urls": self._stack.urls,
            "embedded": self._stack.embedded,
            "api_key": self._stack.api_key,
            "environment": self._stack.environment,
            "processes": [_facts(running, self._layout) for running in self._running.values()],
        }
        write_private(self._layout.status, msgspec.json.encode(status))


async def _stop_one(running: Running) -> None:
    process = running.process
    if process is None or process.poll() is not None:
        return
    process.send_signal(running.part.stop_signal)
    deadline = time.monotonic() + running.part.stop_s
    while process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    if process.poll() is None:
        log.warning("did not stop in time, killed", part=running.part.name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _facts(running: Running, layout: Layout) -> dict[str, Any]:
    part = running.part
    pid = running.process.pid if running.process is not None and running.alive else None
    return {
        "name": part.name,
        "pid": pid,
        "port": part.port,
        "log": str(layout.logs / f"{part.name}.log"),
        "uptime_s": round(time.monotonic() - running.started_at, 1) if pid else 0,
        "healthy": running.healthy,
        "restarts": max(running.restarts, 0),
    }


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL("libc.so.6", use_errno=True)

    def set_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return set_death_signal


def supervise(build: Callable[[], tuple[Stack, Memory]], layout: Layout) -> int:
    """Run the supervisor of a state folder; returns at once with 0 when there is one already."""
    layout.prepare()
    with layout.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        try:
            stack, memory = build()
        except PartUnavailable as problem:
            write_private(layout.status, msgspec.json.encode({"phase": "failed", "problem": str(problem)}))
            return 1
        save_memory(layout, memory)
        work: Coroutine[Any, Any, int] = Supervisor(stack, layout, memory).run()
        return asyncio.run(work)
