"""One supervised process: started, watched, started again, stopped."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deploy.local import process as process_module
from deploy.local.layout import Layout
from deploy.local.part import Part, PartUnavailable
from deploy.local.process import BACKOFF_S, Process

PATIENCE_S = 60
WAITS = "import time; time.sleep(600)"
DIES = "raise SystemExit(3)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "state")
    layout.prepare()
    return layout


async def ready() -> bool:
    return True


async def not_ready() -> bool:
    return False


@pytest.fixture
async def start(layout: Layout):
    started: list[Process] = []

    def start(code: str, **options) -> Process:
        part = Part("part", (sys.executable, "-c", code), **({"ready": ready, "stop_s": 5.0} | options))
        process = Process(part, dict(os.environ), layout)
        process.keep_running()
        started.append(process)
        return process

    yield start
    for process in started:
        await process.stop()


async def wait_until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_process_is_healthy_once_its_check_says_so(start):
    process = start(WAITS, ready=not_ready)
    await wait_until(lambda: process.facts()["looked_at"])
    assert process.facts()["pid"]
    assert not process.healthy


async def test_a_process_that_hangs_is_not_answering_within_ten_seconds(start, monkeypatch):
    answers = asyncio.Event()
    answers.set()

    async def ready() -> bool:
        await answers.wait()  # as a server that is stopped: it never answers
        return True

    assert process_module.CHECK_S + process_module.ANSWER_S + process_module.LOOK_S < 10
    monkeypatch.setattr(process_module, "CHECK_S", 0.1)
    monkeypatch.setattr(process_module, "ANSWER_S", 0.1)
    process = start(WAITS, ready=ready)
    assert process.facts()["state"] in ("down", "starting")
    await wait_until(lambda: process.facts()["state"] == "healthy")
    answers.clear()
    await wait_until(lambda: process.facts()["state"] == "not answering")
    assert not process.healthy
    assert process.facts()["answered_at"]

    answers.set()
    await wait_until(lambda: process.facts()["state"] == "healthy")


async def test_a_process_that_died_is_started_again(start):
    process = start(WAITS)
    await wait_until(lambda: process.healthy)
    pid = process.facts()["pid"]
    psutil.Process(pid).kill()
    await wait_until(lambda: process.healthy and process.facts()["pid"] not in (None, pid))
    assert process.facts()["restarts"] == 1


async def test_a_process_that_keeps_dying_is_counted_and_started_ever_more_slowly(start):
    process = start(DIES)
    await wait_until(lambda: process.facts()["deaths"] >= 2)
    assert not process.healthy
    before = process.facts()["restarts"]
    assert before <= 2, "the second death is followed by a pause"
    process.hurry()
    await wait_until(lambda: process.facts()["restarts"] > before)


def test_pauses_grow_to_a_bound():
    assert list(BACKOFF_S) == sorted(BACKOFF_S)
    assert BACKOFF_S[0] == 0


async def test_what_cannot_be_started_says_why_and_is_tried_again(start):
    tries: list[int] = []

    async def prepare() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise PartUnavailable("install java")

    process = start(WAITS, prepare=prepare)
    await wait_until(lambda: process.facts()["problem"] == "install java" or process.healthy)
    await wait_until(lambda: process.healthy)
    assert process.facts()["problem"] == ""


async def test_a_program_that_is_not_there_is_a_problem_not_a_crash(layout):
    process = Process(Part("part", ("/no/such/program",), ready), {}, layout)
    process.keep_running()
    await wait_until(lambda: "No such file" in process.facts()["problem"])
    await process.stop()


async def test_a_process_that_does_not_stop_in_time_is_killed(start, layout):
    process = start(STUBBORN, stop_s=0.2)
    await wait_until(lambda: layout.log("part").exists() and layout.log("part").read_text())
    pid = process.facts()["pid"]
    await process.stop()
    assert not psutil.pid_exists(pid)


async def test_output_goes_to_the_log(start, layout):
    start("import sys; print('hello', file=sys.stderr, flush=True); " + WAITS)
    await wait_until(lambda: layout.log("part").exists() and "hello" in layout.log("part").read_text())


async def test_after_stop_it_stays_down(start):
    process = start(WAITS)
    await wait_until(lambda: process.healthy)
    await process.stop()
    assert process.facts()["pid"] is None
    assert not process.healthy
