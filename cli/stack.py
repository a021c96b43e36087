"""``billing up | down | status | logs``: the local stack."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import Annotated, Any, Final

import psutil
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from billing.settings import Settings
from deploy.local.layout import Layout, load_memory, read_status

UP_PATIENCE_S: Final = 120.0
DOWN_PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.2
LOG_LINES: Final = 15


def up(
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Worker processes (default 1).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the status as JSON when ready.")] = False,
) -> None:
    """Start what is not running, and wait until everything works. Run it again to restart what died."""
    console = Console(stderr=True)
    layout = Layout(Settings().state_dir)
    layout.prepare()
    pid = _supervisor(layout)
    if pid is None:
        layout.status.unlink(missing_ok=True)
        command = [sys.executable, "-m", "cli.main", "supervise", "--workers", str(workers or 1)]
        with layout.log("supervisor").open("ab") as log:
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    else:
        os.kill(pid, signal.SIGUSR1)
    status = _wait_until_ready(console, layout)
    if status is None:
        raise typer.Exit(1)
    if as_json:
        sys.stdout.write(json.dumps(public(status)) + "\n")


def down(
    wipe: Annotated[bool, typer.Option(help="Also remove all data of the local stack.")] = False,
) -> None:
    """Stop everything, our own processes first."""
    console = Console(stderr=True)
    layout = Layout(Settings().state_dir)
    pid = _supervisor(layout)
    if pid is not None:
        with console.status("stopping…"):
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + DOWN_PATIENCE_S
            while psutil.pid_exists(pid) and time.monotonic() < deadline:
                time.sleep(LOOK_S)
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)  # its children die with it
    if wipe:
        shutil.rmtree(layout.root, ignore_errors=True)
    console.print("stopped, data removed" if wipe else "stopped; data kept, `billing down --wipe` removes it")


def status(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show what runs, where, and how it does. Exit 1 unless everything is healthy."""
    layout = Layout(Settings().state_dir)
    found = read_status(layout)
    running = _supervisor(layout) is not None
    if found is None or (not running and found.get("phase") != "failed"):
        Console(stderr=True).print("nothing is running here: `billing up` starts it")
        raise typer.Exit(1)
    found = public(found)
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        console = Console()
        console.print(_table(found))
        _print_places(console, found)
    if not _is_ready(found):
        raise typer.Exit(1)


def logs(
    name: Annotated[str, typer.Argument(help="A process, as `billing status` names it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1)] = 50,
) -> None:
    """Print the end of a process' log."""
    path = Layout(Settings().state_dir).logs / f"{name}.log"
    if not path.exists():
        Console(stderr=True).print(
            f"no log of {name!r}; there are: {', '.join(sorted(p.stem for p in path.parent.glob('*.log')))}"
        )
        raise typer.Exit(1)
    tail = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(path)]
    raise typer.Exit(subprocess.run(tail, check=False).returncode)


def supervise(workers: Annotated[int, typer.Option(min=1)] = 1) -> None:
    """Run the supervisor in the foreground (`billing up` does it in the background)."""
    from cli.logs import configure
    from deploy.local.stack import compose
    from deploy.local.supervisor import supervise as run_supervisor

    configure()
    settings = Settings()
    layout = Layout(settings.state_dir)
    memory = load_memory(layout)
    raise typer.Exit(run_supervisor(lambda: (compose(settings, layout, memory, workers), memory), layout))


def public(found: dict[str, Any]) -> dict[str, Any]:
    """The status for others: without what only children need, with the memory that each process holds now."""
    processes = [{**process, "rss_mb": resident_mb(process["pid"])} for process in found.get("processes", [])]
    return {key: value for key, value in found.items() if key != "environment"} | {"processes": processes}


def resident_mb(pid: int | None) -> float:
    """Memory of a process and its children. What they share is shared out among them (proportional set size):
    Postgres' processes would otherwise count its buffers ten times."""
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


def _supervisor(layout: Layout) -> int | None:
    """The pid of the supervisor of this state folder, if one runs."""
    found = read_status(layout) or {}
    pid = found.get("supervisor_pid")
    if pid is None or not psutil.pid_exists(pid):
        return None
    try:
        alive = "supervise" in psutil.Process(pid).cmdline()
    except psutil.Error:
        return None
    return pid if alive and found["phase"] not in ("stopped", "failed") else None


def _wait_until_ready(console: Console, layout: Layout) -> dict[str, Any] | None:
    started, asked_at = time.monotonic(), time.time()
    found: dict[str, Any] = {"phase": "starting", "processes": []}
    with Live(_table(found), console=console, refresh_per_second=5, transient=True) as live:
        while time.monotonic() - started < UP_PATIENCE_S:
            found = read_status(layout) or found
            live.update(_table(found))
            # What the supervisor saw before we asked may be old news: a process may have died since.
            is_news = found.get("looked_at", 0) >= asked_at
            if (is_news and _is_ready(found)) or found["phase"] in ("failed", "stopped"):
                break
            time.sleep(LOOK_S)
    if _is_ready(found):
        console.print(f"[green]ready[/] in {time.monotonic() - started:.1f} s: {len(found['processes'])} processes")
        return found
    console.print(_table(found))
    console.print(f"[red]not ready[/]: {found.get('problem') or 'see the processes that are not healthy'}")
    for process in found["processes"]:
        if not process["healthy"]:
            console.print(f"\n[bold]{process['name']}[/], the end of {process['log']}:")
            subprocess.run(["tail", "-n", str(LOG_LINES), process["log"]], check=False, stdout=sys.stderr)
    return None


def _is_ready(found: dict[str, Any]) -> bool:
    processes = found.get("processes", [])
    return found["phase"] == "ready" and bool(processes) and all(process["healthy"] for process in processes)


def _table(found: dict[str, Any]) -> Table:
    table = Table(title=f"billing: {found['phase']}", title_justify="left")
    for column, justify in (("process", "left"), ("", "left"), ("pid", "right"), ("port", "right"), ("up", "right"),
                            ("restarts", "right"), ("MB", "right"), ("log", "left")):  # fmt: skip
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for process in found.get("processes", []):
        health = (
            "[green]healthy[/]" if process["healthy"] else "[yellow]waiting[/]" if process["pid"] else "[red]down[/]"
        )
        uptime = str(timedelta(seconds=round(process["uptime_s"]))) if process["pid"] else ""
        table.add_row(
            process["name"], health, str(process["pid"] or ""), str(process["port"] or ""), uptime,
            str(process["restarts"]), f"{process.get('rss_mb', 0):.0f}", process["log"],
        )  # fmt: skip
    return table


def _print_places(console: Console, found: dict[str, Any]) -> None:
    if found["embedded"]["kafka"] == "tansu":
        console.print("[bold yellow]Kafka is Tansu, in memory only: nothing here survives a restart of the broker[/]")
    for name, url in found["urls"].items():
        if url is not None:
            origin = found["embedded"].get(name, "")
            console.print(f"  {name:<11}{url}  [dim]{origin}[/]", soft_wrap=True)
    console.print(f"  {'API key':<11}{found['api_key']}", soft_wrap=True)
    total = sum(process["rss_mb"] for process in found["processes"])
    console.print(f"  {'memory':<11}{total:.0f} MB in all")
