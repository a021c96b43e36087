"""``billing alive``: the health check of a container with a worker or a sink."""

import os
import sys
from pathlib import Path

from runtime.liveness import HEARTBEAT_LIMIT_S, is_fresh

#: The setting's name. Loading all settings would cost more than the check, which comes every few seconds.
VARIABLE = "BILLING_HEARTBEAT_FILE"


def alive() -> None:
    """Exit 0 while the worker or sink in this container makes progress.

    Progress is a heartbeat within 10 seconds. Exit 1: there is none.
    """
    heartbeat = os.environ.get(VARIABLE)
    if not heartbeat:
        sys.exit(f"{VARIABLE} is not set: there is no heartbeat to look at")
    if not is_fresh(Path(heartbeat)):
        sys.exit(f"no heartbeat in {heartbeat} for {HEARTBEAT_LIMIT_S:g} seconds")
