"""What the live page asks Prometheus, once for all pages, and what it makes of the answer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from monitoring.measures import KEPT_S, LATELY_S, SERIES_MAX, SHOWN, STEP_S, Prometheus

NOW = 1_764_374_430.0
END = NOW // STEP_S * STEP_S
CALLS = next(watched for watched in SHOWN if watched.title == "Calls by outcome")
FAILED = next(watched for watched in SHOWN if watched.title.startswith("Share of requests"))


class Fake:
    """A Prometheus with series by query."""

    def __init__(self) -> None:
        self.series: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.clock = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        found = self.series.get(request.query["query"], [])
        return web.json_response(
            {"status": "success", "data": {"resultType": "matrix", "result": found}}, status=self.status
        )


@pytest.fixture
async def fake() -> AsyncIterator[tuple[Fake, Prometheus]]:
    one = Fake()
    app = web.Application()
    app.router.add_get("/api/v1/query_range", one.answer)
    async with TestServer(app) as server:
        yield one, Prometheus(str(server.make_url("/")), clock=lambda: one.clock, now=lambda: NOW)


def series(labels: dict[str, str], *values: tuple[float, str]) -> dict[str, Any]:
    return {"metric": labels, "values": [[at, value] for at, value in values]}


async def test_each_item_is_asked_for_two_hours_and_the_largest_series_come_first(
    fake: tuple[Fake, Prometheus],
) -> None:
    server, prometheus = fake
    server.series[CALLS.query] = [
        series({"provider": "stripe", "outcome": "DECLINED"}, (END, "0.5")),
        series({"provider": "tbank", "outcome": "SUCCEEDED"}, (END - STEP_S, "2"), (END, "3.5")),
        series({"provider": "tbank", "outcome": "UNKNOWN"}, (END, "0")),
    ]
    measures = await prometheus.measures()
    assert measures is not None
    assert [one.watched for one in measures] == list(SHOWN)
    assert {asked["query"] for asked in server.asked} == {watched.query for watched in SHOWN}
    assert {(float(a["start"]), float(a["end"])) for a in server.asked} == {(END - LATELY_S, END)}
    lines = next(one.lines for one in measures if one.watched is CALLS)
    assert [(line.label, line.last) for line in lines] == [("tbank SUCCEEDED", 3.5), ("stripe DECLINED", 0.5)]
    assert lines[0].points[-3:] == [None, 2.0, 3.5], "a gap is a gap"
    assert len(lines[0].points) == LATELY_S // STEP_S + 1


async def test_a_share_of_nothing_is_not_known_and_one_of_zero_is_shown(fake: tuple[Fake, Prometheus]) -> None:
    server, prometheus = fake
    server.series[FAILED.query] = [series({}, (END - STEP_S, "0"), (END, "NaN"))]
    measures = await prometheus.measures()
    assert measures is not None
    (line,) = next(one.lines for one in measures if one.watched is FAILED)
    assert (line.last, line.points[-2]) == (None, 0.0)


async def test_series_are_bounded(fake: tuple[Fake, Prometheus]) -> None:
    server, prometheus = fake
    server.series[CALLS.query] = [series({"provider": f"p{n}"}, (END, str(n))) for n in range(1, 100)]
    measures = await prometheus.measures()
    assert measures is not None
    lines = next(one.lines for one in measures if one.watched is CALLS)
    assert (len(lines), lines[0].last) == (SERIES_MAX, 99.0)


async def test_many_pages_ask_once_in_ten_seconds(fake: tuple[Fake, Prometheus]) -> None:
    server, prometheus = fake
    for _ in range(3):
        await prometheus.measures()
    assert len(server.asked) == len(SHOWN)
    server.clock += KEPT_S
    await prometheus.measures()
    assert len(server.asked) == 2 * len(SHOWN)


async def test_without_an_answer_nothing_is_known_until_it_is_back(fake: tuple[Fake, Prometheus]) -> None:
    server, prometheus = fake
    server.status = 503
    assert await prometheus.measures() is None
    server.status = 200
    assert await prometheus.measures() is None, "the next look is later"
    server.clock += KEPT_S
    assert await prometheus.measures() is not None
    assert await Prometheus("http://127.0.0.1:1").measures() is None
