"""Several runs of a benchmark as one, and what they ran on."""

import platform
import statistics
import sys
import sysconfig
from collections.abc import Sequence
from typing import Any, Final

#: The figures whose least and greatest value is shown beside the median.
SPREAD: Final = (
    "payments_per_second",
    "payments_per_provider_call",
    "share_of_floor",
    "cpu_ms_per_payment_in_all",
)


def medians(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median of every figure that all runs have."""
    found: dict[str, Any] = {}
    for name in (name for name in runs[0] if all(name in run for run in runs)):
        values = [run[name] for run in runs]
        if all(isinstance(value, dict) for value in values):
            found[name] = medians(values)
        elif all(isinstance(value, int | float) for value in values):
            found[name] = values[0] if len(runs) == 1 else round(statistics.median(values), 4)
    return found


def spread(runs: Sequence[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """The least and the greatest value of the main figures."""
    return {name: (min(run[name] for run in runs), max(run[name] for run in runs)) for name in SPREAD}


def interpreter() -> str:
    """The Python that runs this, and whether it was built with profile-guided optimisation: a plain build takes a sixth
    more CPU. A distribution's own is optimised without saying so (``deploy/local/choose-python.sh``)."""
    told = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    optimised = told or sys.base_prefix == "/usr"
    build = "optimised build" if optimised else "plain build"
    return f"{platform.python_implementation()} {platform.python_version()}, {build}"
