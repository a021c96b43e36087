"""The files that are made from the watch table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cli.monitoring import dashboards, rules, runbook
from monitoring.watch import TABLE, Watched

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "deploy" / "prometheus" / "rules.yml"
DASHBOARDS: Final = ROOT / "deploy" / "grafana" / "dashboards"
OPERATIONS: Final = ROOT / "docs" / "operations.md"


def made(table: Sequence[Watched] = TABLE) -> dict[Path, str]:
    """Path → what the file must contain."""
    return {
        RULES: rules.render(table),
        **{DASHBOARDS / name: content for name, content in dashboards.render(table).items()},
        OPERATIONS: runbook.inserted(OPERATIONS.read_text(), table),
    }


def stale(table: Sequence[Watched] = TABLE) -> list[Path]:
    """The files that differ from the table, and dashboards that it does not have."""
    wanted = made(table)
    different = [path for path, content in wanted.items() if not path.exists() or path.read_text() != content]
    return different + [path for path in sorted(DASHBOARDS.glob("*")) if path not in wanted]
