"""Reports on subscriptions at the bounds of days and months, over lives and currencies: figures that one can count by hand."""

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from analytics.answer import as_csv, as_json
from analytics.report import Result, bind, find_report, read_reports, run
from billing.messages.subscription_events import AttemptView, PeriodView, SubscriptionChanged
from billing.subscriptions.vocabulary import AttemptState, PeriodStatus, Purpose, Status, Trigger
from billing.vocabulary import PaymentStatus
from tests.integration.analytics.subscription_database import subscription_database
from tests.support.event_factories import a_change, a_subscription_change
from tests.support.subscription_figures import FIGURES
from tests.support.subscriptions import price

Ask = Callable[..., Awaitable[Result]]
MOSCOW = timezone(timedelta(hours=3))
MOMENT = timedelta(microseconds=1)
FEBRUARY, MARCH, APRIL, MAY = (datetime(2027, month, 1, tzinfo=UTC) for month in (2, 3, 4, 5))
RUB, KZT = price(39_900), price(199_001, currency="KZT")
#: Yearly run rates.
RUB_ARR, KZT_ARR = 12 * 39_900, 12 * 199_001
#: In the order of their stories below.
LAST_MOMENT, FIRST_MOMENT, RETURNED = (UUID(int=number) for number in (1, 2, 3))


def a_period(id: UUID, number: int, life: int, start_at: datetime, of: Any, status: PeriodStatus) -> PeriodView:
    end_at = start_at + timedelta(days=30)
    return PeriodView(
        number, life, start_at, end_at, of.id, of.amount, of.currency, status, UUID(int=id.int * 100 + number)
    )


def an_attempt(period: PeriodView, at: datetime, **fields: Any) -> AttemptView:
    values: dict[str, Any] = {
        "payment_id": period.paid_by,
        "period": period.number,
        "number": 1,
        "purpose": Purpose.FIRST,
        "trigger": Trigger.CUSTOMER,
        "state": AttemptState.PAID,
        "amount": period.amount,
        "currency": period.currency,
        "provider": "stripe",
        "requested_at": at,
        "ended_at": at,
    }
    return AttemptView(**(values | fields))


def begun(id: UUID, at: datetime, *, life: int = 1, of: Any = RUB, number: int = 1) -> SubscriptionChanged:
    """The first payment of a life is captured."""
    period = a_period(id, number, life, at, of, PeriodStatus.PAID)
    return a_subscription_change(
        subscription_id=id, version=10 * life, life=life, price=of, created_at=FEBRUARY, changed_at=at, period=period,
        periods=(period,), attempts=(an_attempt(period, at),), arr_after=12 * of.amount,
        movement="NEW" if life == 1 else "RETURN",
    )  # fmt: skip


def ended(id: UUID, at: datetime, *, of: Any = RUB) -> SubscriptionChanged:
    return a_subscription_change(
        Status.ENDED, previous_status=Status.ACTIVE, subscription_id=id, version=15, price=of, created_at=FEBRUARY,
        changed_at=at, ended_at=at, end_reason="cancelled", period=None, periods=(), arr_before=12 * of.amount, arr_after=0,
        movement="CHURN_VOLUNTARY",
    )  # fmt: skip


EVENTS = (
    # It begins in the last moment of February, which is March in Moscow, and ends in the first moment of April.
    begun(LAST_MOMENT, (MARCH - MOMENT).astimezone(MOSCOW)),
    ended(LAST_MOMENT, APRIL),
    # It begins in the first moment of March, and ends in its last.
    begun(FIRST_MOMENT, MARCH),
    ended(FIRST_MOMENT, APRIL - MOMENT),
    # The first life costs roubles, the second tenge.
    begun(RETURNED, datetime(2027, 3, 10, 12, tzinfo=UTC)),
    ended(RETURNED, datetime(2027, 3, 20, 12, tzinfo=UTC)),
    begun(RETURNED, datetime(2027, 4, 10, 12, tzinfo=UTC), life=2, of=KZT, number=2),
)
PAYMENTS = tuple(
    a_change(PaymentStatus.CAPTURED, payment_id=period.paid_by, amount=period.amount, captured=period.amount, refunded=0,
             currency=period.currency)
    for event in EVENTS for period in event.periods
)  # fmt: skip


@pytest.fixture(scope="module")
async def ask(stack: dict[str, Any]) -> AsyncIterator[Ask]:
    async with subscription_database(stack["urls"]["clickhouse"], EVENTS, PAYMENTS) as client:

        async def result(name: str, **given: str) -> Result:
            report = find_report(name)
            return await run(client, report, bind(report, given, MAY.date()))

        yield result


async def rows(ask: Ask, name: str, first: str, last: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in (await ask(name, **{"from": first, "to": last})).rows]


async def test_a_day_begins_with_its_first_moment_in_utc(ask: Ask) -> None:
    assert await rows(ask, "mrr", "2027-02-28", "2027-03-01") == [
        (date(2027, 2, 28), "cinema", "RUB", 1, RUB_ARR, 39_900),
        (date(2027, 3, 1), "cinema", "RUB", 2, 2 * RUB_ARR, 79_800),
    ]
    assert await rows(ask, "mrr", "2027-03-31", "2027-04-01") == [
        (date(2027, 3, 31), "cinema", "RUB", 1, RUB_ARR, 39_900),
    ]
    assert await rows(ask, "subscriptions_by_status", "2027-03-31", "2027-04-01") == [
        (date(2027, 3, 31), "ACTIVE", 1),
        (date(2027, 3, 31), "ENDED", 2),
        (date(2027, 4, 1), "ENDED", 3),
    ]


async def test_a_month_begins_with_its_first_moment_and_each_currency_is_counted_by_itself(ask: Ask) -> None:
    february, march, april = (start.date() for start in (FEBRUARY, MARCH, APRIL))
    assert await rows(ask, "mrr_movements", "2027-02-15", "2027-04-30") == [
        (february, "RUB", "opening", 0, 0, 0),
        (february, "RUB", "NEW", 1, RUB_ARR, 39_900),
        (february, "RUB", "closing", 1, RUB_ARR, 39_900),
        (march, "RUB", "opening", 1, RUB_ARR, 39_900),
        (march, "RUB", "NEW", 2, 2 * RUB_ARR, 79_800),
        (march, "RUB", "CHURN_VOLUNTARY", 2, -2 * RUB_ARR, -79_800),
        (march, "RUB", "closing", 1, RUB_ARR, 39_900),
        (april, "KZT", "opening", 0, 0, 0),
        (april, "KZT", "RETURN", 1, KZT_ARR, 199_001),
        (april, "KZT", "closing", 1, KZT_ARR, 199_001),
        (april, "RUB", "opening", 1, RUB_ARR, 39_900),
        (april, "RUB", "CHURN_VOLUNTARY", 1, -RUB_ARR, -39_900),
        (april, "RUB", "closing", 0, 0, 0),
    ]


async def test_churn_counts_the_ends_of_a_month_among_those_that_lived_at_its_first_moment(ask: Ask) -> None:
    assert await rows(ask, "churn_rate", "2027-03-01", "2027-05-31") == [
        (date(2027, 3, 1), "RUB", 1, 0, 0, 0.0, 0.0),
        (date(2027, 4, 1), "RUB", 1, 1, 0, 100.0, 0.0),
        (date(2027, 5, 1), "KZT", 1, 0, 0, 0.0, 0.0),
    ]


async def test_lives_of_one_subscription_are_cohorts_of_their_own(ask: Ask) -> None:
    assert await rows(ask, "retention_cohorts", "2027-02-01", "2027-04-30") == [
        (date(2027, 2, 1), "RUB", 1, 1, 100.0),
        (date(2027, 3, 1), "RUB", 1, 2, 100.0),
        (date(2027, 4, 1), "KZT", 1, 1, 100.0),
    ]
    assert await rows(ask, "subscription_ltv", "2027-03-01", "2027-03-01") == [
        (date(2027, 3, 1), "RUB", 1, 1, 39_900, 39_900),
    ]


async def test_income_is_that_of_the_days_asked_for(ask: Ask) -> None:
    assert await rows(ask, "arpu", "2027-03-01", "2027-03-01") == [(date(2027, 3, 1), "RUB", 39_900, 2.0, 19_950)]
    assert await rows(ask, "arpu", "2027-02-28", "2027-02-28") == [(date(2027, 2, 1), "RUB", 39_900, 1.0, 39_900)]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    ("first", "last"),
    [("2020-01-01", "2020-12-31"), ("2027-04-30", "2027-01-01"), ("2027-03-02", "2027-03-01")],
    ids=["before anything happened", "the first day after the last by months", "by a day"],
)
async def test_days_that_hold_nothing_have_no_rows_but_all_columns(ask: Ask, name: str, first: str, last: str) -> None:
    report = find_report(name)
    given = {"from": first, "to": last, "as_of": "2020-01-01"}
    result = await ask(name, **{parameter.name: given[parameter.name] for parameter in report.parameters})

    # A month is asked for by any of its days.
    assert list(result.rows) == [] or (name, first) in {("mrr_movements", "2027-03-02"), ("churn_rate", "2027-03-02")}
    assert result.columns == report.columns
    if not result.rows:
        assert as_csv(result).decode() == ",".join(report.columns) + "\n"
        assert json.loads(as_json(result)) == []


@pytest.mark.parametrize("name", ["mrr", "mrr_movements", "arpu", "subscription_ltv"])
async def test_files_hold_whole_minor_units_and_iso_dates_under_the_report_s_columns(ask: Ask, name: str) -> None:
    report = find_report(name)
    result = await ask(name, **{"from": "2027-02-01", "to": "2027-04-30"})
    file = list(csv.DictReader(io.StringIO(as_csv(result).decode())))
    objects = json.loads(as_json(result))

    assert len(file) == len(objects) == len(result.rows) > 0
    for line, row in zip(file, objects, strict=True):
        assert tuple(line) == tuple(row) == report.columns
        assert all(isinstance(row[column], int) and line[column] == str(row[column]) for column in report.money)
        day = row[report.columns[0]]
        assert line[report.columns[0]] == day == date.fromisoformat(day).isoformat()


def test_every_report_with_money_says_its_currency() -> None:
    assert [name for name, report in read_reports().items() if report.money and "currency" not in report.columns] == []
