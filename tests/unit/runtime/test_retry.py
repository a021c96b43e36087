"""Retries: an action is repeated until it succeeds, with bounded, jittered pauses, and everybody can see it."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from runtime.retry import OUTAGES, RETRIES, Retry, RetryStopped


class Full(Random):
    """Pauses that are not shortened."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Half(Random):
    """Pauses that are shortened as far as they may be."""

    def uniform(self, a: float, b: float) -> float:
        return a


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses taken, none of which lasts."""
    taken: list[float] = []

    async def wait(_retry: Retry, seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(Retry, "_wait", wait)
    return taken


def failing(times: int, error: Exception) -> Callable[[], Awaitable[str]]:
    left = times

    async def action() -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error
        return "done"

    return action


def retries(operation: str) -> float:
    return RETRIES.labels(operation)._value.get()


async def test_an_action_is_repeated_until_it_succeeds_and_each_repeat_is_counted(pauses: list[float]) -> None:
    before = retries("test")

    assert await Retry("test", (OSError,)).run(failing(3, OSError("no route"))) == "done"

    assert retries("test") - before == 3
    assert len(pauses) == 3


async def test_another_error_leaves_at_once(pauses: list[float]) -> None:
    with pytest.raises(ValueError, match="a defect"):
        await Retry("test", (OSError,)).run(failing(1, ValueError("a defect")))
    assert pauses == []


async def test_pauses_double_up_to_a_bound(pauses: list[float]) -> None:
    await Retry("test", (OSError,), random=Full()).run(failing(7, OSError()))

    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


async def test_a_pause_is_shortened_by_half_at_most(pauses: list[float]) -> None:
    await Retry("test", (OSError,), random=Half(), pause_max_s=1.0).run(failing(5, OSError()))

    assert pauses == [0.1, 0.2, 0.4, 0.5, 0.5]


async def test_pauses_start_over_once_the_dependency_has_answered(pauses: list[float]) -> None:
    reconnect = Retry("test", (OSError,), random=Full())
    results = iter([False, False, True, False])

    async def session() -> None:
        try:
            if next(results):
                reconnect.succeeded()
        except StopIteration:
            return
        raise OSError

    await reconnect.run(session)

    assert pauses == [0.2, 0.4, 0.2, 0.4]


async def test_an_event_ends_the_retries_within_a_pause() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, stop.set)

    with pytest.raises(RetryStopped):
        await Retry("test", (OSError,), stop=stop, random=Full(), pause_max_s=60.0).run(failing(10**9, OSError()))


async def test_an_action_that_succeeds_is_not_stopped() -> None:
    stop = asyncio.Event()
    stop.set()

    assert await Retry("test", (OSError,), stop=stop).run(failing(0, OSError())) == "done"


async def test_the_error_is_raised_once_the_patience_is_over(pauses: list[float]) -> None:
    with pytest.raises(OSError, match="no route"):
        await Retry("test", (OSError,), patience_s=0.0).run(failing(10**9, OSError("no route")))


async def test_a_longer_pause_that_an_error_asks_for_is_kept(pauses: list[float]) -> None:
    retry = Retry("a", (OSError,), asked_pause_s=lambda _error: 30.0, random=Full())
    await retry.run(failing(2, OSError()))
    assert pauses == [30.0, 30.0]


async def test_a_pause_that_ends_after_the_patience_is_not_begun(pauses: list[float]) -> None:
    retry = Retry("a", (OSError,), patience_s=10.0, asked_pause_s=lambda _error: 30.0)
    with pytest.raises(OSError, match="busy"):
        await retry.run(failing(2, OSError("busy")))
    assert pauses == []


async def test_an_outage_shows_while_it_lasts_and_only_then(pauses: list[float]) -> None:
    seen: list[set[str]] = []
    left = 2

    async def action() -> None:
        nonlocal left
        seen.append(set(OUTAGES.seconds))
        left -= 1
        if left >= 0:
            raise OSError

    await Retry("test", (OSError,)).run(action)

    assert seen == [set(), {"test"}, {"test"}]
    assert "test" not in OUTAGES.seconds


async def test_an_outage_lasts_until_the_last_task_that_meets_it_is_through() -> None:
    first, second = Retry("test", (OSError,)), Retry("test", (OSError,))
    first._failed(OSError())
    second._failed(OSError())

    first.succeeded()
    assert "test" in OUTAGES.seconds
    second.succeeded()
    assert "test" not in OUTAGES.seconds


async def test_prometheus_reads_how_long_an_operation_has_failed() -> None:
    failed = Retry("test", (OSError,))
    failed._failed(OSError())

    (metric,) = OUTAGES.collect()

    assert [(sample.name, sample.labels) for sample in metric.samples] == [("outage_seconds", {"operation": "test"})]
    failed.succeeded()
