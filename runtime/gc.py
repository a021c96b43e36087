"""Python's garbage collector, set for processes that run for months and commands that go through millions of rows."""

import gc
from typing import Final

#: Allocations before young objects are looked through, and how rarely older ones are. Messages and requests leave
#: few cycles; a worker's cache of payments would be walked through again and again for nothing.
THRESHOLDS: Final = (5_000, 50, 100)


def relax_thresholds() -> None:
    """Let collections come as rarely as the thresholds say."""
    gc.set_threshold(*THRESHOLDS)


def freeze_startup_objects() -> None:
    """The same, and what is loaded by now stays for good: no collection looks at it again."""
    gc.collect()
    gc.freeze()
    relax_thresholds()
