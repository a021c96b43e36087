"""Processes of a stack whose supervisor is gone: the kernel told them to end, and some take a moment."""

import time
from typing import Final

import psutil
import structlog

from deploy.local.layout import Layout, read_status

log = structlog.get_logger(__name__)

#: Seconds after which a process that has not exited is killed; Postgres writes a checkpoint before it exits.
PATIENCE_S: Final = 20.0
#: Two clocks tell when a process started; they differ by less than this, seconds.
CLOCKS_S: Final = 2.0


def wait_for_leftovers(layout: Layout, patience_s: float = PATIENCE_S) -> None:
    """Return when no process of the last supervisor of this state folder runs any more."""
    found = read_status(layout) or {}
    left = [process for facts in found.get("processes", ()) for process in _still_there(facts)]
    for process in psutil.wait_procs(left, timeout=patience_s)[1]:
        log.warning("killed a leftover", pid=process.pid)
        process.kill()
        process.wait()


def _still_there(facts: dict[str, object]) -> list[psutil.Process]:
    pid, started_at = facts.get("pid"), facts.get("started_at")
    if not isinstance(pid, int) or not isinstance(started_at, float):
        return []
    try:
        process = psutil.Process(pid)
        ours = abs(process.create_time() - started_at) < CLOCKS_S and process.is_running()
    except psutil.NoSuchProcess:
        return []
    return [process] if ours and time.time() >= started_at else []
