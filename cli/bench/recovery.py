"""How soon the rate is back after a worker was killed and after Kafka was stopped, while customers go on paying."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from rich.table import Table

from cli.bench.load import Load, Shop
from cli.bench.running_stack import CLIENT, RunningStack
from deploy.local.layout import Layout, read_status
from runtime.postgres import create_engine
from runtime.settings import Settings
from storage.inspection.bench import counts_since

#: Part → the signal that ends it. The supervisor starts it again.
FAULTS: Final[Mapping[str, signal.Signals]] = {"worker-1": signal.SIGKILL, "kafka": signal.SIGTERM}
#: The rate is back when it is this share of the rate before, over the window, seconds.
SHARE: Final = 0.8
WINDOW_S: Final = 2.0
LOOK_EVERY_S: Final = 0.25
PATIENCE_S: Final = 120.0
#: Seconds after the part answers again within which the rate has to be back.
LIMIT_S: Final = 10.0


class Fault(NamedTuple):
    """One fault. Rates are payments captured a second. ``down_s``: from the signal until the part answered again;
    ``back_s``: from then until the rate was back, the window included; negative where it was back before, because another
    worker had taken over. ``lost``: accepted payments that were not captured in the end."""

    rate_before: float
    down_s: float
    back_s: float
    refused: int
    lost: int


async def measure_recovery(
    layout: Layout, seconds: float, concurrency: int, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Cause each fault once under full load, after ``seconds`` of it. Raises :class:`TimeoutError` if the rate does not
    come back."""
    status = _status(layout)
    engine = create_engine(Settings(postgres_url=status["urls"]["postgres"]))
    stack = RunningStack(engine, status["urls"], status["processes"])
    shop = Shop(status["urls"]["ingest"], status["api_key"])
    workers = sum(process["name"].startswith("worker") for process in status["processes"])
    found: dict[str, Any] = {}
    try:
        await stack.set_customer_mode(mode="auto")
        for part, ends_by in FAULTS.items():
            on_progress(f"{part}: full speed for {seconds:.0f} s, then {ends_by.name}")
            fault = await _Run(layout, stack, shop, part, ends_by).measure(seconds, concurrency)
            found[part] = fault._asdict()
    finally:
        await stack.set_customer_mode(mode="manual")
        await engine.dispose()
    return {"workers": workers, "limit_s": LIMIT_S, "faults": found}


class _Run:
    def __init__(self, layout: Layout, stack: RunningStack, shop: Shop, part: str, ends_by: signal.Signals) -> None:
        self._layout = layout
        self._stack = stack
        self._shop = shop
        self._part = part
        self._ends_by = ends_by
        self._since = datetime.now(UTC)
        #: Moment and number of captured payments, of one window.
        self._looks: deque[tuple[float, int]] = deque()

    async def measure(self, seconds: float, concurrency: int) -> Fault:
        ended = asyncio.Event()
        load = asyncio.create_task(self._shop.rush_until(ended, concurrency))
        try:
            async with asyncio.timeout(seconds + PATIENCE_S):
                before = await self._rate_over(seconds)
                down_s, back_s = await self._through_the_fault(before)
        finally:
            ended.set()
            done: Load = await load
        captured, _ = await self._stack.settle(done.accepted, self._since)
        lost = max(0, done.accepted - captured)
        return Fault(round(before, 1), round(down_s, 1), round(back_s, 1), sum(done.failed.values()), lost)

    async def _through_the_fault(self, before: float) -> tuple[float, float]:
        old = _process(self._layout, self._part)["pid"]
        started = time.monotonic()
        os.kill(old, self._ends_by)
        answered = back = None
        fell = False
        while answered is None or back is None:
            rate = await self._look()
            now = time.monotonic()
            process = _process(self._layout, self._part)
            if answered is None and process["healthy"] and process["pid"] != old:
                answered = now
            fell = fell or rate < SHARE * before
            # A window that began before the fault says nothing, unless nothing fell.
            if back is None and rate >= SHARE * before and now - started > WINDOW_S and (fell or answered is not None):
                back = now
        return answered - started, back - answered

    async def _rate_over(self, seconds: float) -> float:
        """The rate of the second half."""
        await asyncio.sleep(seconds / 2)
        started, first = time.monotonic(), await self._captured()
        await asyncio.sleep(seconds / 2)
        return (await self._captured() - first) / (time.monotonic() - started)

    async def _look(self) -> float:
        """Wait a moment; returns the rate over the window."""
        await asyncio.sleep(LOOK_EVERY_S)
        self._looks.append((time.monotonic(), await self._captured()))
        while self._looks[-1][0] - self._looks[0][0] > WINDOW_S:
            self._looks.popleft()
        (first, had), (last, has) = self._looks[0], self._looks[-1]
        return (has - had) / max(last - first, LOOK_EVERY_S)

    async def _captured(self) -> int:
        async with self._stack.engine.connect() as connection:
            _, captured, _, _ = await counts_since(connection, CLIENT, self._since)
        return captured


def _status(layout: Layout) -> dict[str, Any]:
    status = read_status(layout)
    assert status is not None, "the stack runs"
    return status


def _process(layout: Layout, name: str) -> dict[str, Any]:
    return next(process for process in _status(layout)["processes"] if process["name"] == name)


def recovery_table(figures: dict[str, Any]) -> Table:
    """The figures as a table."""
    view = Table(title=f"billing bench --only recovery, {figures['workers']} worker(s)", title_justify="left")
    for column in ("part", "payments per second before", "down", "rate back after it answers", "refused", "lost"):
        view.add_column(column, justify="left" if column == "part" else "right")
    for part, fault in figures["faults"].items():
        colour = "red" if fault["back_s"] > LIMIT_S else "green"
        view.add_row(
            f"{part}, {FAULTS[part].name}",
            str(fault["rate_before"]),
            f"{fault['down_s']} s",
            f"[{colour}]{fault['back_s']} s[/]",
            str(fault["refused"]),
            str(fault["lost"]),
        )
    return view
