"""Whether a process that touches a heartbeat file still makes progress. Imports nothing that is slow to load."""

import time
from pathlib import Path
from typing import Final

#: A heartbeat older than this means that the process is stuck, seconds.
HEARTBEAT_LIMIT_S: Final = 10.0


def is_fresh(heartbeat: Path, limit_s: float = HEARTBEAT_LIMIT_S) -> bool:
    """Whether the heartbeat file was touched within the limit."""
    try:
        return time.time() - heartbeat.stat().st_mtime < limit_s
    except FileNotFoundError:
        return False
