"""Settings of Python's garbage collector for long-running processes and for commands over millions of rows."""

import gc
from typing import Final

#: Allocations before young objects are scanned, and how rarely older ones are. Messages and requests leave few
#: cycles, and scanning a worker's cache of payments would find nothing.
THRESHOLDS: Final = (5_000, 50, 100)


def relax_thresholds() -> None:
    """Collect less often: by ``THRESHOLDS``."""
    gc.set_threshold(*THRESHOLDS)


def freeze_startup_objects() -> None:
    """Collect less often, and exclude everything loaded so far from collections."""
    gc.collect()
    gc.freeze()
    relax_thresholds()
