"""Every report on subscriptions against a computation in plain Python on the same two years."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from analytics.report import bind, find_report, run
from billing.subscriptions.vocabulary import AttemptState, PeriodStatus, Status
from tests.integration.analytics.subscription_database import subscription_database
from tests.support import subscription_figures as figures
from tests.support.subscription_figures import AS_OF, FIGURES, FIRST, LAST
from tests.support.subscription_histories import Years

Rows = list[tuple[Any, ...]]
Ask = Callable[..., Awaitable[Rows]]
GIVEN = {"from": FIRST.isoformat(), "to": LAST.isoformat(), "as_of": AS_OF.isoformat()}


@pytest.fixture(scope="module")
def years() -> Years:
    return Years()


@pytest.fixture(scope="module")
async def ask(stack: dict[str, Any], years: Years) -> AsyncIterator[Ask]:
    """``await ask("mrr")``: a report's rows over the generated years, some of which are sent twice and out of order.
    ``of``: of one API client."""
    async with subscription_database(stack["urls"]["clickhouse"], years.events, years.payments) as client:

        async def rows(report_name: str, *, of: str | None = None) -> Rows:
            report = find_report(report_name)
            given = {p.name: GIVEN[p.name] for p in report.parameters}
            result = await run(client, report, bind(report, given, AS_OF), of=of)
            assert result.columns == report.columns
            return [tuple(row) for row in result.rows]

        yield rows


def test_the_generated_years_hold_everything_that_reports_ask_about(years: Years) -> None:
    assert {s.status for s in years.subscriptions.values()} == set(Status)
    assert {a.state for a in years.attempts.values()} >= {
        AttemptState.PAID, AttemptState.FAILED, AttemptState.WITHDRAWN, AttemptState.STRAY,
    }  # fmt: skip
    assert {p.status for p in years.periods.values()} >= {PeriodStatus.PAID, PeriodStatus.CUT, PeriodStatus.REFUNDED}
    assert {e.movement for e in years.events if e.movement} == set(figures.MOVEMENTS)
    assert not figures.overlaps(years)
    for column in (3, 4, 5, 6):
        assert sum(row[column] for row in figures.renewals_by_day(years)), (
            "none is first_try, recovered, open or failed"
        )
    assert max(row[2] for row in figures.dunning_by_attempt(years)) >= 4


@pytest.mark.parametrize("name", FIGURES)
async def test_a_report_says_what_plain_python_says(name: str, ask: Ask, years: Years) -> None:
    expected = FIGURES[name](years)

    assert expected
    assert await ask(name) == expected


async def test_opening_and_movements_add_up_to_closing_in_every_month_to_the_minor_unit(ask: Ask) -> None:
    months: dict[tuple[Any, str], dict[str, tuple[int, int]]] = defaultdict(dict)
    for month, currency, movement, _, arr, mrr in await ask("mrr_movements"):
        months[month, currency][movement] = (arr, mrr)
    closed: dict[str, tuple[int, int]] = {}

    assert len(months) == 2 * len(figures.months())
    for (_, currency), parts in sorted(months.items()):
        closing = parts.pop("closing")
        assert closing == tuple(map(sum, zip(*parts.values(), strict=True)))
        assert parts["opening"] == closed.get(currency, parts["opening"])
        closed[currency] = closing


@pytest.mark.parametrize("name", FIGURES)
async def test_a_report_of_one_client_counts_that_clients_subscriptions_only(name: str, ask: Ask) -> None:
    assert await ask(name, of="site") == await ask(name), "all generated subscriptions are the site's"
    assert await ask(name, of="another' OR '1' = '1") == []
