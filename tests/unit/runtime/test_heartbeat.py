"""What the supervisor sees of a sink."""

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from runtime import heartbeat
from runtime.heartbeat import HUNG_AFTER_S, beat
from tests.support.sink_harness import until


@asynccontextmanager
async def beating(path: Path, *, ready: bool, idle_s: float) -> Any:
    asked = 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        return idle_s

    def is_ready() -> bool:
        nonlocal asked
        asked += 1
        return ready

    task = asyncio.create_task(beat(path, is_ready, lambda: 0.0, clock))
    try:
        await until(lambda: asked >= 4)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.001)


async def test_a_sink_that_takes_steps_shows_alive(tmp_path: Path) -> None:
    async with beating(tmp_path / "beat", ready=True, idle_s=HUNG_AFTER_S - 1):
        await until((tmp_path / "beat").exists)


async def test_a_sink_that_hangs_does_not(tmp_path: Path) -> None:
    async with beating(tmp_path / "beat", ready=True, idle_s=HUNG_AFTER_S + 1):
        assert not (tmp_path / "beat").exists()


async def test_a_sink_without_partitions_yet_does_not(tmp_path: Path) -> None:
    async with beating(tmp_path / "beat", ready=False, idle_s=0.0):
        assert not (tmp_path / "beat").exists()
