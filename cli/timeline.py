"""``billing timeline``."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from backoffice.timeline import Timeline, read_timeline, read_trace
from billing.money import Money
from billing.trace import Trace, otlp
from billing.waterfall import bars
from cli.arguments import AsJson
from cli.output import err, on_running_stack, out, refuse, write_json

#: Columns of the terminal below which a table would break ids: lines are printed instead.
TABLE_MIN: Final = 140
#: Characters of a bar that is as long as the payment took.
BAR: Final = 40
_STYLES: Final = {"transition": "bold", "posting": "green", "signal": "magenta", "call": "cyan", "refusal": "red"}
_MONEY: Final = ("authorized", "captured", "refunded")
#: Fields of the state shown in the table's title; the JSON has all of it.
_SHOWN: Final = ("status", "version", "authorized", "captured", "refunded")


def timeline(
    payment_id: Annotated[UUID, typer.Argument(help="The payment.")],
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop there: ISO 8601, UTC unless it has an offset.")
    ] = None,
    as_json: AsJson = False,
    waterfall: Annotated[bool, typer.Option("--waterfall", help="Show how long each part took.")] = False,
    otlp_file: Annotated[
        Path | None, typer.Option("--otlp", metavar="FILE", help="Write the trace as OTLP JSON, for any collector.")
    ] = None,
) -> None:
    """Show everything that happened to a payment, and its state now or at any moment. Exit 1: no such payment."""
    if waterfall or otlp_file is not None:
        _trace(payment_id, otlp_file, as_json=as_json)
        return
    until = None if at is None else _moment(at)
    found = on_running_stack(lambda settings: read_timeline(settings, payment_id, until))
    if found is None:
        refuse(f"there is no payment {payment_id}")
    if as_json:
        write_json(found)
    else:
        _show(found)


def _trace(payment_id: UUID, file: Path | None, *, as_json: bool) -> None:
    trace = on_running_stack(lambda settings: read_trace(settings, payment_id))
    if trace is None:
        refuse(f"there is no payment {payment_id}")
    if file is not None:
        file.write_bytes(msgspec.json.encode(otlp(trace)))
    elif as_json:
        write_json(trace)
    else:
        out.print(_waterfall(trace))


def _waterfall(trace: Trace) -> Table:
    """A row for each span; its bar begins where the payment's first message was written."""
    table = Table(title=f"trace {trace.id}", title_justify="left")
    for head, justify in (("after", "right"), ("what", "left"), ("took", "right"), ("", "left")):
        table.add_column(head, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for bar in bars(trace.spans):
        span = bar.span
        drawn = " " * min(round(bar.start * BAR), BAR - 1) + "█" * max(1, round(bar.length * BAR))
        style = _STYLES["call"] if span.process == "provider_calls" else ""
        outcome = span.attributes.get("outcome", "")
        what = f"{escape(span.name)} {outcome}".rstrip()
        table.add_row(f"{bar.after_ms:,.0f} ms", what, f"{bar.took_ms:,.1f} ms", drawn, style=style)
    return table


def _moment(at: str) -> datetime:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise typer.BadParameter(f"{at!r} is not a time like 2026-11-23T12:00:00Z", param_hint="--at") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _shown(state: Mapping[str, Any], name: str) -> str:
    """A field of the state; money in major units with its currency."""
    value = state.get(name, 0)
    currency = state.get("order", {}).get("currency")
    return str(Money(value, currency)) if name in _MONEY and currency is not None else str(value)


def _show(found: Timeline) -> None:
    moment = "now" if found.at is None else f"at {found.at.isoformat()}"
    state = ", ".join(f"{name} {_shown(found.state, name)}" for name in _SHOWN) if found.state else "did not exist"
    title = f"payment {found.payment_id}\n{moment}: {state}"
    if out.width < TABLE_MIN:
        out.print(title, markup=False, highlight=False, soft_wrap=True)
        for entry in found.entries:
            line = f"{_time(entry.at)} {entry.kind}{' *' if entry.recomputed else ''} {entry.summary}"
            out.print(line, style=_STYLES.get(entry.kind), markup=False, highlight=False, soft_wrap=True)
    else:
        out.print(_table(title, found))
    out.print("* recomputed from the journal")
    if found.problem:
        err.print(f"the state cannot be rebuilt: {found.problem}", style="red", markup=False, soft_wrap=True)


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _table(title: str, found: Timeline) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("time (UTC)", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=1)
    table.add_column("who", overflow="fold")
    table.add_column("inbox", no_wrap=True)
    for entry in found.entries:
        kind = f"{entry.kind} *" if entry.recomputed else entry.kind
        row = (_time(entry.at), kind, entry.summary, entry.actor or "", entry.position)
        table.add_row(*map(escape, row), style=_STYLES.get(entry.kind))
    return table
