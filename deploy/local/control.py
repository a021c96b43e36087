"""Starts, finds and ends the supervisor of a state folder; waits until the stack is ready."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import psutil

from deploy.local.layout import Layout, read_status, want_workers
from deploy.local.leftovers import wait_for_leftovers

LOOK_S: Final = 0.1
#: Maven may have to fetch Kafka at the first start.
UP_PATIENCE_S: Final = 180.0
#: How long no supervisor may run before its start counts as failed: on a busy machine its imports alone take 10 s.
ARRIVAL_S: Final = 60.0
#: More than the parts of two stages are given to stop.
DOWN_PATIENCE_S: Final = 75.0
#: A part that died so often since it was asked to start will not.
DEATHS: Final = 5

Status = dict[str, Any]


class NotReady(Exception):
    """The stack did not come up; ``status`` is what was last seen of it."""

    def __init__(self, reason: str, status: Status) -> None:
        super().__init__(reason)
        self.status = status


def supervisor_pid(layout: Layout) -> int | None:
    """The supervisor of this state folder, if one runs: it holds the lock."""
    try:
        with layout.lock.open("r") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = lock.read()
                return int(pid) if pid else None
    except FileNotFoundError:
        return None
    return None


def bring_up(layout: Layout, workers: int | None, show: Callable[[Status], None]) -> Status:
    """Start a supervisor or hurry the one there is; return the status when everything works.

    Raises :class:`NotReady`.
    """
    layout.prepare()
    if workers is not None:
        want_workers(layout, workers)
    return _wait(layout, show)


def take_down(layout: Layout) -> None:
    """Stop everything; kill what does not stop in time."""
    pid = supervisor_pid(layout)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + DOWN_PATIENCE_S
        while supervisor_pid(layout) == pid and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        if supervisor_pid(layout) == pid:
            os.kill(pid, signal.SIGKILL)  # its children die with it
            psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [])
    wait_for_leftovers(layout)


def is_ready(status: Status) -> bool:
    """Everything runs and works."""
    return status["phase"] == "ready" and all(process["healthy"] for process in status["processes"])


def _wait(layout: Layout, show: Callable[[Status], None]) -> Status:
    asked_at = time.time()
    status: Status = {"phase": "starting", "problem": "", "processes": []}
    asked = launched = False
    while time.time() < asked_at + UP_PATIENCE_S:
        pid = supervisor_pid(layout)
        if pid is not None and not asked:
            os.kill(pid, signal.SIGUSR1)
            asked = True
        elif pid is None and not launched:
            _launch(layout)
            asked = launched = True
        elif pid is None and time.time() > asked_at + ARRIVAL_S:
            raise NotReady("the supervisor is gone: billing logs supervisor", status)
        found = read_status(layout)
        if found is not None and found.get("heeded_at", 0.0) >= asked_at:
            status = found
            show(status)
            _check(status)
            if is_ready(status) and all(process["looked_at"] >= asked_at for process in status["processes"]):
                return status
        time.sleep(LOOK_S)
    raise NotReady(f"not ready after {UP_PATIENCE_S:.0f} s", status)


def _launch(layout: Layout) -> None:
    with layout.log("supervisor").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "cli.main", "supervise"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def _check(status: Status) -> None:
    if status["phase"] == "failed":
        raise NotReady(status["problem"], status)
    for process in status["processes"]:
        if process["problem"]:
            raise NotReady(f"{process['name']} cannot start: {process['problem']}", status)
        if process["deaths"] >= DEATHS:
            raise NotReady(f"{process['name']} keeps dying", status)
