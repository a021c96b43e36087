"""``billing up | down | status | logs``: the local stack."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import psutil
import typer
from rich.live import Live
from rich.table import Table

from cli.arguments import AsJson
from cli.output import err, out, write_json
from deploy.local import control
from deploy.local.control import NotReady, Status, is_ready
from deploy.local.layout import Layout, read_status, wanted_workers
from deploy.local.stack import compose
from deploy.local.supervisor import supervise as run_supervisor
from runtime.logging.setup import configure
from runtime.settings import Settings

LOG_LINES: Final = 15
#: Status without a running supervisor.
STOPPED: Final[Status] = {"phase": "stopped", "problem": "", "urls": {}, "embedded": {}, "processes": []}


def up(
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Worker processes, kept for later starts (initially 1).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the status as JSON when ready.")] = False,
) -> None:
    """Start what is not running, and wait until everything works. Run it again to restart what died."""
    started = time.monotonic()
    try:
        with Live(console=err, refresh_per_second=5, transient=True) as live:
            status = control.bring_up(current_layout(), workers, lambda found: live.update(_table(found)))
    except NotReady as reason:
        _explain(reason)
        raise typer.Exit(1) from None
    err.print(f"[green]ready[/] in {time.monotonic() - started:.1f} s: {len(status['processes'])} processes")
    if as_json:
        write_json(public(status))


def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also remove all data of the local stack.")] = False,
) -> None:
    """Stop everything, our own processes first."""
    layout = current_layout()
    running = control.supervisor_pid(layout) is not None
    with err.status("stopping…"):
        control.take_down(layout)
        if wipe:
            layout.wipe()
    did = "stopped" if running else "nothing was running"
    err.print(f"{did}, data removed" if wipe else f"{did}; data kept, `billing down --wipe` removes it")


def status(as_json: AsJson = False) -> None:
    """Show the processes of the local stack and their health. Exit 1 unless everything is healthy.

    A process that hangs is `not answering` within 10 s."""
    layout = current_layout()
    running = control.supervisor_pid(layout) is not None
    found = public((read_status(layout) if running else None) or STOPPED)
    if as_json:
        write_json(found)
    elif running:
        out.print(_table(found))
        if found["problem"]:
            out.print(f"[red]{found['problem']}[/]", soft_wrap=True)
        _print_addresses(found)
    else:
        err.print("nothing is running here: `billing up` starts the stack")
    if not is_ready(found):
        raise typer.Exit(1)


def logs(
    name: Annotated[str, typer.Argument(help="A process, as `billing status` names it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1)] = 50,
) -> None:
    """Print the end of a process' log."""
    path = current_layout().log(name)
    if not path.exists():
        err.print(f"no log of {name!r}; there are: {', '.join(sorted(p.stem for p in path.parent.glob('*.log')))}")
        raise typer.Exit(1)
    tail = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(path)]
    raise typer.Exit(subprocess.run(tail, check=False).returncode)


def supervise() -> None:
    """Run the supervisor in the foreground. `billing up` runs it in the background."""
    configure()
    settings = Settings()
    layout = current_layout()
    raise typer.Exit(run_supervisor(lambda memory: compose(settings, layout, memory, wanted_workers(layout)), layout))


def public(found: Status) -> Status:
    """The status to show: without the children's environment, with current age and memory of each process."""
    processes = [
        process
        | {
            "uptime_s": round(time.time() - process["started_at"], 1) if process["pid"] else 0.0,
            "rss_mb": resident_mb(process["pid"]),
        }
        for process in found["processes"]
    ]
    shown = {key: value for key, value in found.items() if key != "environment"} | {"processes": processes}
    unwell = [process["name"] for process in processes if not process["healthy"]]
    if found["phase"] == "ready" and unwell:
        shown |= {"phase": "degraded", "problem": f"not healthy: {', '.join(unwell)}"}
    return shown


def resident_mb(pid: int | None) -> float:
    """Megabytes used by a process and its children, as proportional set size: Postgres' processes share buffers, which
    would otherwise count ten times."""
    if pid is None:
        return 0.0
    total = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            memory = one.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
    except psutil.Error:
        return 0.0
    return round(total / 1024 / 1024, 1)


def current_layout() -> Layout:
    """The paths of the local stack that this process' settings name."""
    return Layout(Settings().state_dir)


def _explain(reason: NotReady) -> None:
    """Show which process is not ready, the end of its log, and what to do."""
    err.print(_table(reason.status))
    err.print(f"[red]not ready[/]: {reason}", soft_wrap=True)
    names = [process["name"] for process in reason.status["processes"] if not process["healthy"]]
    if reason.status["phase"] == "failed":
        names.append("migrate")
    for log in filter(Path.exists, map(current_layout().log, names or ["supervisor"])):
        err.print(f"\nend of {log}:", soft_wrap=True)
        subprocess.run(["tail", "-n", str(LOG_LINES), str(log)], check=False, stdout=sys.stderr)
    err.print(
        "\nHealthy processes keep running. Fix the problem and run `billing up` again; "
        "`billing status` shows the state, `billing logs NAME` more of a log, `billing down` stops everything."
    )


def _table(found: Status) -> Table:
    table = Table(title=f"billing: {found['phase']}", title_justify="left")
    for column, justify in (("process", "left"), ("", "left"), ("pid", "right"), ("port", "right"), ("up", "right"),
                            ("restarts", "right"), ("MB", "right")):  # fmt: skip
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for process in found["processes"]:
        colour = {"healthy": "green", "starting": "yellow"}.get(process["state"], "red")
        health = f"[{colour}]{process['state']}[/]"
        uptime = str(timedelta(seconds=round(time.time() - process["started_at"]))) if process["pid"] else ""
        table.add_row(
            process["name"], health, str(process["pid"] or ""), str(process["port"] or ""), uptime,
            str(process["restarts"]), f"{process['rss_mb']:.0f}" if "rss_mb" in process else "",
        )  # fmt: skip
    return table


def _print_addresses(found: Status) -> None:
    if found["embedded"]["kafka"] == "tansu":
        out.print("[bold yellow]Kafka is Tansu, in memory only: a restart of the broker loses all messages[/]")
    for name, url in found["urls"].items():
        if url is not None:
            origin = found["embedded"].get(name, "")
            out.print(f"  {name:<11}{url}  [dim]{origin}[/]", soft_wrap=True)
    out.print(f"  {'API key':<11}{found['api_key']}", soft_wrap=True)
    out.print(f"  {'logs':<11}{current_layout().logs}  [dim]billing logs NAME[/]", soft_wrap=True)
    total = sum(process["rss_mb"] for process in found["processes"])
    out.print(f"  {'memory':<11}{total:.0f} MB in total")
