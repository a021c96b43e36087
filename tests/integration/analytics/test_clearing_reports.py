"""Every report on clearing against a computation in plain Python on the same month."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from analytics.clickhouse import connect
from analytics.migrate import migrate
from analytics.report import bind, find_report, run
from billing.clearing.discrepancies import State
from billing.messages.clearing_events import DayCleared, DiscrepancyChanged, PayoutStated
from billing.messages.topics import CLEARING_EVENTS
from runtime.settings import Settings
from sinks.batch import Batch, Event
from sinks.clickhouse.inserter import ClickHouseInserter, translate
from tests.support.clearing_figures import AS_OF, FIGURES, FIRST, LAST, Month

Rows = list[tuple[Any, ...]]
Ask = Callable[..., Awaitable[Rows]]
GIVEN = {"from": FIRST.isoformat(), "to": LAST.isoformat(), "as_of": AS_OF.isoformat()}


@pytest.fixture(scope="module")
def month() -> Month:
    return Month()


@pytest.fixture(scope="module")
async def ask(stack: dict[str, Any], month: Month) -> AsyncIterator[Ask]:
    """``await ask("payouts_by_day")``: a report's rows over the month, the later two thirds of which were delivered twice,
    and before the others."""
    name = f"test_{uuid4().hex}"
    url = urlunsplit(urlsplit(stack["urls"]["clickhouse"])._replace(path=f"/{name}"))
    await migrate(Settings(clickhouse_url=url))
    inserter = ClickHouseInserter(url)
    events = tuple(Event(CLEARING_EVENTS.name, 0, offset, change) for offset, change in enumerate(month.events))
    for part in (events[len(events) // 3 :], events):
        ranges = {TopicPartition(CLEARING_EVENTS.name, 0): (part[0].offset, len(events))}
        await inserter.deliver(Batch(ranges, part, tuple(translate(event) for event in part)))
    await inserter.close()
    client = await connect(url)

    async def rows(report_name: str, **given: str) -> Rows:
        report = find_report(report_name)
        values = {p.name: GIVEN[p.name] for p in report.parameters} | given
        result = await run(client, report, bind(report, values, AS_OF))
        assert result.columns == report.columns
        return [tuple(row) for row in result.rows]

    yield rows
    await client.command(f"DROP DATABASE `{name}`")
    await client.close()


def test_the_generated_month_holds_everything_that_reports_ask_about(month: Month) -> None:
    assert {d.state for d in month.last(DayCleared)} == {"done", "open", "suspect"}
    assert {d.state for d in month.last(DiscrepancyChanged)} == set(State)
    assert {p.kind for p in month.last(PayoutStated)} == {"payout", "payout_failed"}
    assert {p.withdrawn for p in month.last(PayoutStated)} == {True, False}
    assert any(row[4] for row in FIGURES["fees_by_provider"](month)), "of some charges no fee is told"


@pytest.mark.parametrize("name", FIGURES)
async def test_a_report_says_what_plain_python_says(name: str, ask: Ask, month: Month) -> None:
    expected = FIGURES[name](month)

    assert expected
    assert await ask(name) == expected


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "discrepancies_by_age"])
async def test_a_report_looks_at_the_asked_days_only(name: str, ask: Ask) -> None:
    assert await ask(name, **{"from": "2026-12-01", "to": "2026-12-31"}) == []
