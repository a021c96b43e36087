"""What a supervisor sees of a process: its heartbeat and its exit codes."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime import process
from runtime.postgres import SchemaMismatch
from runtime.process import (
    EXIT_CONFIG,
    EXIT_UNTRUSTED,
    BackgroundTasks,
    beat,
    close_all,
    exit_codes,
)
from tests.support.sink_harness import until


@pytest.fixture(autouse=True)
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exit codes with which the process would have ended."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(process, "BEAT_EVERY_S", 0.001)
    return codes


@asynccontextmanager
async def running(*works: Any) -> AsyncIterator[BackgroundTasks]:
    tasks = BackgroundTasks()
    for work in works:
        tasks.spawn(work)
    try:
        yield tasks
    finally:
        await tasks.cancel()


def counted(answer: bool) -> tuple[Callable[[], bool], list[bool]]:
    calls: list[bool] = []

    def works() -> bool:
        calls.append(answer)
        return answer

    return works, calls


async def test_a_process_that_works_touches_its_heartbeat(tmp_path: Path) -> None:
    async with running(beat(tmp_path / "beat", lambda: True)):
        await until((tmp_path / "beat").exists)


async def test_a_process_that_hangs_does_not(tmp_path: Path) -> None:
    works, calls = counted(False)
    async with running(beat(tmp_path / "beat", works)):
        await until(lambda: len(calls) >= 4)
    assert not (tmp_path / "beat").exists()


async def test_a_background_task_that_fails_ends_the_process(exits: list[int]) -> None:
    async def fail() -> None:
        raise ValueError("a defect")

    async with running(fail()):
        await until(lambda: exits == [EXIT_UNTRUSTED])


async def test_a_background_task_that_meets_another_schema_ends_the_process_with_that_code(exits: list[int]) -> None:
    async def fail() -> None:
        raise SchemaMismatch("no such column")

    async with running(fail()):
        await until(lambda: exits == [EXIT_CONFIG])


async def test_tasks_that_are_cancelled_are_no_failure(exits: list[int]) -> None:
    async with running(asyncio.sleep(60)):
        pass
    assert exits == []


def test_a_process_that_does_not_fit_the_schema_exits_with_78() -> None:
    with pytest.raises(SystemExit) as exit, exit_codes():
        raise SchemaMismatch("no such column")
    assert exit.value.code == EXIT_CONFIG


async def test_what_fails_to_close_does_not_keep_the_others_open() -> None:
    closed: list[str] = []

    async def fail() -> None:
        raise OSError("already gone")

    async def close() -> None:
        closed.append("engine")

    await close_all(fail, close)
    assert closed == ["engine"]
