"""The supervisor, with parts that do next to nothing: which start and stop when, and what `billing up` reports of them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local import control
from deploy.local.layout import Layout, read_status, want_workers

PATIENCE_S = 60
SCRIPT = '''
import sys
from pathlib import Path
from deploy.local.layout import Layout, wanted_workers
from deploy.local.part import Part, Stage
from deploy.local.stack import Stack
from deploy.local.supervisor import supervise

layout = Layout(Path(sys.argv[1]))
story = layout.root / "story"
LIVES = """
import signal, sys, time
def tell(word):
    with open(sys.argv[1], "a") as story:
        story.write(word + " " + sys.argv[2] + "\\\\n")
def leave(*_):
    tell("stopped")
    raise SystemExit
signal.signal(signal.SIGTERM, leave)
tell("started")
time.sleep(600)
"""

def part(name, stage, code=LIVES):
    async def ready():
        return story.exists() and f"started {name}" in story.read_text()
    return Part(name, (sys.executable, "-c", code, str(story), name), ready, stage=stage)

def compose(memory):
    parts = [part(f"worker-{n}", Stage.OURS) for n in range(1, wanted_workers(layout) + 1)]
    parts += [part("mapper", Stage.GROUND), part("server", Stage.SERVER)]
    if (layout.root / "broken").exists():
        parts.append(part("broken", Stage.OURS, "raise SystemExit(3)"))
    return Stack(parts, {}, {}, {}, "key", migrates=False)

sys.exit(supervise(compose, layout))
'''


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "state")
    layout.prepare()
    return layout


@pytest.fixture
def supervisor(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A supervisor starts where `billing up` would start one."""
    started: list[subprocess.Popen[bytes]] = []

    def launch(layout: Layout) -> None:
        started.append(subprocess.Popen([sys.executable, "-c", SCRIPT, str(layout.root)]))

    monkeypatch.setattr(control, "_launch", launch)
    yield
    control.take_down(layout)
    for process in started:
        process.wait(PATIENCE_S)


def up(layout: Layout, workers: int | None = None) -> dict[str, Any]:
    status = control.bring_up(layout, workers, lambda _: None)
    return {process["name"]: process for process in status["processes"]}


def story(layout: Layout) -> list[str]:
    return (layout.root / "story").read_text().splitlines()


@pytest.mark.usefixtures("supervisor")
def test_our_processes_start_after_the_servers_and_stop_before_them(layout):
    up(layout)
    assert story(layout)[-1] == "started worker-1"
    control.take_down(layout)
    assert story(layout)[-3:] == ["stopped worker-1", "stopped server", "stopped mapper"]
    assert control.supervisor_pid(layout) is None
    assert (read_status(layout) or {})["phase"] == "stopped"


@pytest.mark.usefixtures("supervisor")
def test_more_and_fewer_workers_on_a_running_stack(layout):
    first = up(layout)
    assert set(up(layout, workers=3)) - set(first) == {"worker-2", "worker-3"}
    last = up(layout, workers=1)
    assert {name: process["pid"] for name, process in last.items()} == {name: p["pid"] for name, p in first.items()}
    assert sorted(story(layout)[-2:]) == ["stopped worker-2", "stopped worker-3"]


@pytest.mark.usefixtures("supervisor")
def test_the_number_of_workers_outlives_the_stack(layout):
    want_workers(layout, 2)
    assert "worker-2" in up(layout)


@pytest.mark.usefixtures("supervisor")
def test_a_part_that_keeps_dying_is_named_and_the_rest_goes_on_until_it_is_mended(layout, monkeypatch):
    monkeypatch.setattr(control, "DEATHS", 2)
    (layout.root / "broken").touch()
    with pytest.raises(control.NotReady, match="broken keeps dying") as failure:
        up(layout)
    health = {process["name"]: process["healthy"] for process in failure.value.status["processes"]}
    assert health == {"mapper": True, "server": True, "worker-1": health["worker-1"], "broken": False}
    (layout.root / "broken").unlink()
    assert set(up(layout)) == {"mapper", "server", "worker-1"}


@pytest.mark.usefixtures("supervisor")
def test_a_new_supervisor_takes_the_place_of_a_killed_one(layout):
    before = up(layout)
    killed = control.supervisor_pid(layout)
    assert killed is not None
    psutil.Process(killed).kill()
    after = up(layout)
    assert control.supervisor_pid(layout) not in (None, killed)
    assert not {p["pid"] for p in before.values()} & {p["pid"] for p in after.values()}
    assert not any(psutil.pid_exists(p["pid"]) for p in before.values())


def test_up_gives_up_when_no_supervisor_stays(layout, monkeypatch):
    monkeypatch.setattr(control, "_launch", lambda _: None)
    monkeypatch.setattr(control, "ARRIVAL_S", 0.1)
    with pytest.raises(control.NotReady, match="supervisor is gone"):
        up(layout)
