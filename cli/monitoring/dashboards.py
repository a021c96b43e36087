"""Grafana's dashboards, as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from monitoring.watch import Dashboard, Unit, Watched

#: Grafana's grid: two panels beside each other, each eight rows high.
_WIDTH: Final = 12
_HEIGHT: Final = 8
#: The identifier of the data source that deploy/grafana/provisioning declares.
_SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}


def render(table: Sequence[Watched]) -> dict[str, str]:
    """File name → content."""
    return {
        f"{dashboard.value}.json": json.dumps(
            _dashboard(dashboard, [watched for watched in table if watched.dashboard is dashboard]), indent=1
        )
        + "\n"
        for dashboard in Dashboard
    }


def _dashboard(dashboard: Dashboard, items: Sequence[Watched]) -> Mapping[str, Any]:
    return {
        "uid": f"billing-{dashboard.value}",
        "title": f"Billing: {dashboard.value}",
        "tags": ["billing"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "utc",
        "panels": [_panel(number, watched) for number, watched in enumerate(items)],
    }


def _panel(number: int, watched: Watched) -> Mapping[str, Any]:
    alerts = ", ".join(f"{alert.name} ({alert.severity})" for alert in watched.alerts)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": watched.title,
        "description": f"Alerts: {alerts}" if alerts else "",
        "datasource": _SOURCE,
        "gridPos": {"x": number % 2 * _WIDTH, "y": number // 2 * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {
            "defaults": {
                "unit": watched.unit.value,
                # An amount may be negative, and that is when it matters.
                **({} if watched.unit is Unit.MINOR else {"min": 0}),
                "noValue": "none" if watched.rare else "no data",
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": "A", "datasource": _SOURCE, "expr": watched.query, "legendFormat": watched.legend or "__auto"}
        ],
    }
