"""The watch table: what is looked at, and when somebody is called.

Rules, dashboards and the rows of the runbook are made from it by `billing monitoring write`; the live page reads it.
"""

from typing import Final

from monitoring.watch import edge, jobs, money, processes, providers, sinks, streams
from monitoring.watch.item import Alert, Dashboard, Severity, Unit, Watched

__all__ = ["TABLE", "Alert", "Dashboard", "Severity", "Unit", "Watched", "expression"]

TABLE: Final[tuple[Watched, ...]] = (
    *money.ITEMS,
    *streams.ITEMS,
    *providers.ITEMS,
    *edge.ITEMS,
    *sinks.ITEMS,
    *jobs.ITEMS,
    *processes.ITEMS,
)


def expression(watched: Watched, alert: Alert) -> str:
    """The whole PromQL of an alert."""
    compares = alert.when.startswith((">", "<", "=", "!"))
    return f"({watched.query}) {alert.when}" if compares else alert.when
