"""The rows of the runbook, between two marks of docs/operations.md."""

from collections.abc import Sequence
from typing import Final

from cli.monitoring.rules import anchor
from monitoring.watch import Alert, Watched, expression

BEGIN: Final = "<!-- alerts: made by `billing monitoring write` from monitoring/watch, change them there -->\n"
END: Final = "<!-- end of the alerts -->\n"


def render(table: Sequence[Watched]) -> str:
    """A table with a row for each alert."""
    rows = [_row(watched, alert) for watched in table for alert in watched.alerts]
    head = "| Alert | Fires when | Customers notice | Look at | Do |\n|---|---|---|---|---|\n"
    return head + "".join(rows)


def inserted(document: str, table: Sequence[Watched]) -> str:
    """The document with the rows of this table. Raises ``ValueError`` where it has no place for them."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no place for the alerts: {BEGIN.strip()} … {END.strip()}")
    return before + BEGIN + "\n" + render(table) + "\n" + END + after


def _row(watched: Watched, alert: Alert) -> str:
    held = "" if alert.holds == "0s" else f" for {alert.holds}"
    when = f"`{_cell(expression(watched, alert))}`{held} ({alert.severity})"
    cells = (f'<a id="{anchor(alert)}"></a>{alert.name}', when, *map(_cell, (alert.notice, alert.look, alert.do)))
    return f"| {' | '.join(cells)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
