"""How soon the rate is back after a worker was killed and after Kafka was stopped, while customers go on paying."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from rich.table import Table

from billing.vocabulary import PaymentStatus
from cli.bench.load import Load, Shop
from cli.bench.running_stack import CLIENT, SETTLE_S, RunningStack
from deploy.local.layout import Layout, read_status
from runtime.postgres import create_engine
from runtime.settings import Settings
from storage.inspection.bench import counts_since, statuses_of

#: Part → the signal that ends it. The supervisor starts it again.
FAULTS: Final[Mapping[str, signal.Signals]] = {"worker-1": signal.SIGKILL, "kafka": signal.SIGTERM}
#: The rate is back when it is this share of the rate before, over a whole window after the part answered again, seconds.
SHARE: Final = 0.8
WINDOW_S: Final = 2.0
LOOK_EVERY_S: Final = 0.25
PATIENCE_S: Final = 120.0
#: Seconds after the part answers again within which the rate has to be back, the window included.
LIMIT_S: Final = 10.0


class CannotMeasure(Exception):
    """There is no such part, or nothing is paid."""


class Fault(NamedTuple):
    """One fault. Rates are payments captured a second. ``down_s``: from the signal until the part answered again, seconds;
    ``back_s``: from then to the end of the first window with the rate; ``None``: not within :data:`PATIENCE_S`.
    ``refused``: requests without success, which clients would repeat. ``lost``: accepted payments that were not captured
    in the end."""

    rate_before: float
    down_s: float | None
    back_s: float | None
    refused: int
    lost: int

    @property
    def is_good(self) -> bool:
        """Nothing is lost, and the rate was back in time."""
        return not self.lost and self.back_s is not None and self.back_s <= LIMIT_S


async def measure_recovery(
    layout: Layout, seconds: float, concurrency: int, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Cause each fault once under full load, after ``seconds`` of it. Raises :class:`CannotMeasure`."""
    status = _status(layout)
    for part in FAULTS:
        if not _process(layout, part)["healthy"]:
            raise CannotMeasure(f"{part} does not work: `billing status`")
    engine = create_engine(Settings(postgres_url=status["urls"]["postgres"]))
    stack = RunningStack(engine, status["urls"], status["processes"])
    shop = Shop(status["urls"]["ingest"], status["api_key"])
    workers = sum(process["name"].startswith("worker") for process in status["processes"])
    found: dict[str, Fault] = {}
    try:
        await stack.set_customer_mode(mode="auto")
        for part in FAULTS:
            on_progress(f"{part}: full speed for {seconds:.0f} s, then {FAULTS[part].name}")
            found[part] = await _Run(layout, stack, shop, part).measure(seconds, concurrency)
    finally:
        await stack.set_customer_mode(mode="manual")
        await engine.dispose()
    return {
        "workers": workers,
        "limit_s": LIMIT_S,
        "faults": {part: fault._asdict() for part, fault in found.items()},
        "good": all(fault.is_good for fault in found.values()),
    }


class _Run:
    def __init__(self, layout: Layout, stack: RunningStack, shop: Shop, part: str) -> None:
        self._layout = layout
        self._stack = stack
        self._shop = shop
        self._part = part
        self._since = datetime.now(UTC)

    async def measure(self, seconds: float, concurrency: int) -> Fault:
        ended = asyncio.Event()
        load = asyncio.create_task(self._shop.rush_until(ended, concurrency))
        try:
            before = await self._rate_over(seconds)
            if not before:
                raise CannotMeasure("nothing was paid before the fault: look at `billing status`")
            down_s, back_s = await self._through_the_fault(before)
        finally:
            ended.set()
            done: Load = await load
        lost = await self._not_captured([UUID(id) for id in done.answers])
        return Fault(round(before, 1), down_s, back_s, sum(done.failed.values()), lost)

    async def _through_the_fault(self, before: float) -> tuple[float | None, float | None]:
        old = _process(self._layout, self._part)["pid"]
        started = time.monotonic()
        os.kill(old, FAULTS[self._part])
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            process = _process(self._layout, self._part)
            if process["healthy"] and process["pid"] != old:
                break
            if time.monotonic() - started > PATIENCE_S:
                return None, None
        answered = time.monotonic()
        looks: deque[tuple[float, int]] = deque()
        while time.monotonic() - answered < PATIENCE_S:
            looks.append((time.monotonic(), await self._captured()))
            while len(looks) > 1 and looks[-1][0] - looks[1][0] >= WINDOW_S:
                looks.popleft()
            (first, had), (last, has) = looks[0], looks[-1]
            if last - first >= WINDOW_S and has - had >= SHARE * before * (last - first):
                return round(answered - started, 1), round(last - answered, 1)
            await asyncio.sleep(LOOK_EVERY_S)
        return round(answered - started, 1), None

    async def _rate_over(self, seconds: float) -> float:
        """The rate of the second half."""
        await asyncio.sleep(seconds / 2)
        started, first = time.monotonic(), await self._captured()
        await asyncio.sleep(seconds / 2)
        return (await self._captured() - first) / (time.monotonic() - started)

    async def _captured(self) -> int:
        async with self._stack.engine.connect() as connection:
            _, captured, _, _ = await counts_since(connection, CLIENT, self._since)
        return captured

    async def _not_captured(self, payments: list[UUID]) -> int:
        """Of these payments, those that are not captured in the end. Others may be: of requests that were refused because
        Kafka did not acknowledge them in time."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            async with self._stack.engine.connect() as connection:
                statuses = await statuses_of(connection, payments)
            missing = len(payments) - statuses.get(PaymentStatus.CAPTURED, 0)
            if not missing or time.monotonic() > deadline:
                return missing
            await asyncio.sleep(LOOK_EVERY_S)


def _status(layout: Layout) -> dict[str, Any]:
    status = read_status(layout)
    if status is None:
        raise CannotMeasure("no stack runs here: `billing up` starts one")
    return status


def _process(layout: Layout, name: str) -> dict[str, Any]:
    for process in _status(layout)["processes"]:
        if process["name"] == name:
            return dict(process)
    raise CannotMeasure(f"{name} is no part of this stack: `billing status`")


def recovery_table(figures: dict[str, Any]) -> Table:
    """The figures as a table."""
    view = Table(title=f"billing bench --only recovery, {figures['workers']} worker(s)", title_justify="left")
    for column in ("part", "payments per second before", "down", "rate back after it answers", "refused", "lost"):
        view.add_column(column, justify="left" if column == "part" else "right")
    for part, values in figures["faults"].items():
        fault = Fault(**values)
        view.add_row(
            f"{part}, {FAULTS[part].name}",
            str(fault.rate_before),
            _seconds(fault.down_s),
            f"[{'green' if fault.is_good else 'red'}]{_seconds(fault.back_s)}[/]",
            str(fault.refused),
            str(fault.lost),
        )
    return view


def _seconds(value: float | None) -> str:
    return f"not within {PATIENCE_S:.0f} s" if value is None else f"{value} s"
