"""Prometheus' alert rules."""

from collections.abc import Sequence
from typing import Any, Final

import yaml

from monitoring.watch import Alert, Dashboard, Watched, expression

_HEAD: Final = "# Made by `billing monitoring write` from the watch table (monitoring/watch): change it there.\n"
#: Where the runbook is; people follow it from the alert.
RUNBOOK: Final = "docs/operations.md"


def render(table: Sequence[Watched]) -> str:
    """The file: a group for each dashboard."""
    groups = [
        {
            "name": dashboard.value,
            "rules": [
                _rule(watched, alert) for watched in table if watched.dashboard is dashboard for alert in watched.alerts
            ],
        }
        for dashboard in Dashboard
    ]
    return _HEAD + yaml.safe_dump({"groups": groups}, sort_keys=False, width=120, allow_unicode=True)


def anchor(alert: Alert) -> str:
    """The alert's place in the runbook."""
    return f"alert-{alert.name.lower()}"


def _rule(watched: Watched, alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": expression(watched, alert),
        "for": alert.holds,
        "labels": {"severity": alert.severity.value},
        "annotations": {
            "summary": watched.title,
            "notice": alert.notice,
            "value": "{{ $value }}",
            "runbook": f"{RUNBOOK}#{anchor(alert)}",
        },
    }
