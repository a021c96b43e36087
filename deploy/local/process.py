"""One supervised process: started, watched, started again with a growing pause when it dies, stopped in time.

When the supervisor is killed, the kernel kills its children (PR_SET_PDEATHSIG). That hangs on the thread that
forked, so processes are started from the main thread only.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from deploy.local.layout import Layout
from deploy.local.part import Part, PartUnavailable

log = structlog.get_logger(__name__)

#: How soon a death is noticed, and how often a process that is not ready yet is asked whether it is.
LOOK_S: Final = 0.2
#: How often a healthy process is asked whether it still is, and how long it has to answer. A process that hangs is known
#: within 10 s.
CHECK_S: Final = 3.0
ANSWER_S: Final = 3.0
#: A part that dies again and again is started after these pauses, the last one for ever.
BACKOFF_S: Final = (0.0, 1.0, 2.0, 5.0, 10.0)
#: A part that lived this long has a clean record again.
SETTLED_S: Final = 60.0
PR_SET_PDEATHSIG: Final = 1


class Process:
    """The process of a part, for as long as the supervisor wants it."""

    def __init__(self, part: Part, environment: Mapping[str, str], layout: Layout) -> None:
        self.part = part
        self._environment = environment
        self._layout = layout
        self._popen: subprocess.Popen[bytes] | None = None
        self._started_at: float | None = None
        self._looked_at = 0.0
        self._starts = 0
        self._deaths = 0
        self._healthy = False
        self._has_worked = False
        self._answered_at: float | None = None
        self._problem = ""
        self._nudge = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        return self._healthy

    def keep_running(self) -> None:
        """Start it, and again whenever it dies, until :meth:`stop`."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_running(), name=self.part.name)

    def hurry(self) -> None:
        """Forget past deaths, cut the pause before the next start short, look again now."""
        self._deaths, self._problem = 0, ""
        self._nudge.set()

    async def stop(self) -> None:
        """Let it finish; kill it, and what it started, when it takes too long."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        popen, self._healthy = self._popen, False
        if popen is None or popen.poll() is not None:
            return
        popen.send_signal(self.part.stop_signal)
        deadline = time.monotonic() + self.part.stop_s
        while popen.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - the kernel sends no event
            await asyncio.sleep(0.05)
        if popen.poll() is None:
            log.warning("did not stop in time, killed", part=self.part.name, after_s=self.part.stop_s)
            os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()

    def facts(self) -> dict[str, Any]:
        """What ``stack.json`` says of it. Times are seconds since the epoch; ``looked_at`` is when the last look at
        it began, ``deaths`` counts since it last did well or was told to hurry. ``state``: ``healthy``, ``starting``,
        ``not answering`` (it did since this start, the last time at ``answered_at``) or ``down``."""
        alive = self._popen is not None and self._popen.poll() is None
        return {
            "name": self.part.name,
            "pid": self._popen.pid if self._popen is not None and alive else None,
            "port": self.part.port,
            "log": str(self._layout.log(self.part.name)),
            "started_at": self._started_at if alive else None,
            "looked_at": self._looked_at,
            "healthy": self._healthy and alive,
            "state": self._state(alive=alive),
            "answered_at": self._answered_at,
            "restarts": max(self._starts - 1, 0),
            "deaths": self._deaths,
            "problem": self._problem,
        }

    def _state(self, *, alive: bool) -> str:
        if not alive:
            return "down"
        if self._healthy:
            return "healthy"
        return "not answering" if self._has_worked else "starting"

    async def _keep_running(self) -> None:
        while True:
            self._nudge.clear()
            try:
                popen = await self._start()
            except (PartUnavailable, OSError) as error:
                self._problem = str(error)
                self._looked_at = time.time()
                log.warning("cannot start", part=self.part.name, error=str(error))
            else:
                await self._watch(popen)
                log.warning("died", part=self.part.name, code=popen.returncode)
            self._healthy = False
            await self._pause()

    async def _start(self) -> subprocess.Popen[bytes]:
        part = self.part
        if part.prepare is not None:
            await part.prepare()
        with self._layout.log(part.name).open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: ASYNC220 - asyncio's would not keep to the main thread
                part.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self._environment, **part.env},
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one prctl; nothing else can set it for any program
            )
        self._started_at = time.time()
        self._starts += 1
        self._problem = ""
        self._has_worked = False
        log.info("started", part=part.name, pid=self._popen.pid, start=self._starts)
        return self._popen

    async def _watch(self, popen: subprocess.Popen[bytes]) -> None:
        """Return when it is dead."""
        started = time.monotonic()
        check_at = 0.0
        while popen.poll() is None:
            if time.monotonic() >= check_at or self._nudge.is_set():
                self._nudge.clear()
                looked_at = time.time()
                self._healthy = await self._answers() and popen.poll() is None
                if self._healthy:
                    self._has_worked, self._answered_at = True, looked_at
                self._looked_at = looked_at
                check_at = time.monotonic() + (CHECK_S if self._healthy else LOOK_S)
            if time.monotonic() - started > SETTLED_S:
                self._deaths = 0
            await self._wait(LOOK_S)

    async def _answers(self) -> bool:
        """What :attr:`Part.ready` says within :data:`ANSWER_S`. A check that hangs is left to itself: cancelling it may
        hang as well, on the same server."""
        check = asyncio.ensure_future(self.part.ready())
        done, _ = await asyncio.wait({check}, timeout=ANSWER_S)
        if not done:
            check.cancel()
            return False
        return check.result()

    async def _pause(self) -> None:
        pause = BACKOFF_S[min(self._deaths, len(BACKOFF_S) - 1)]
        self._deaths += 1
        if pause:
            await self._wait(pause)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._nudge.wait()
        except TimeoutError:
            return


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL("libc.so.6", use_errno=True).prctl
    parent = os.getpid()

    def set_death_signal() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it was asked
            os._exit(1)

    return set_death_signal
