"""What each report on subscriptions says, computed in plain Python."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from billing.messages.subscription_events import AttemptView, SubscriptionChanged
from billing.subscriptions.cadence import Unit
from billing.subscriptions.vocabulary import AttemptState, Decline, PeriodStatus, Purpose, Status
from tests.support.subscription_histories import END, Years

Rows = list[tuple[Any, ...]]
#: Asked for: from the middle of a month to the middle of another.
FIRST, LAST = date(2026, 2, 10), date(2027, 12, 20)
#: The forecast is made of the latest states.
AS_OF = END.date()
COUNTED = (Status.ACTIVE, Status.PAST_DUE)
LIVING = (*COUNTED, Status.ON_HOLD)
MOVEMENTS = ("NEW", "RETURN", "RECOVERED", "HELD", "CHURN_VOLUNTARY", "CHURN_INVOLUNTARY")


def days(first: date = FIRST, last: date = LAST) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def month_of(day: date) -> date:
    return day.replace(day=1)


def months() -> list[date]:
    return sorted({month_of(day) for day in days(month_of(FIRST))})


def nearest(value: Fraction) -> int:
    """Halves up."""
    return int((2 * value + 1) // 2)


def percent(part: int, whole: int) -> Any:
    return pytest.approx(100 * part / whole, abs=0.0051)


def states(years: Years, day: date) -> list[SubscriptionChanged]:
    """Every subscription at the end of a day."""
    found = []
    for history in years.histories:
        until = [event for event in history if event.changed_at.date() <= day]
        if until:
            found.append(until[-1])
    return found


def mrr(years: Years) -> Rows:
    rows = []
    for day in days():
        sums: dict[tuple[str, str], list[int]] = defaultdict(list)
        for s in states(years, day):
            if s.status in COUNTED:
                sums[s.price.currency, s.price.plan].append(s.arr_after)
        for (currency, plan), arrs in sorted(sums.items()):
            rows.append((day, plan, currency, len(arrs), sum(arrs), nearest(Fraction(sum(arrs), 12))))
    return rows


def mrr_movements(years: Years) -> Rows:
    rows: Rows = []
    for month in months():
        before = states(years, month - timedelta(days=1))
        moved = [e for e in years.events if month_of(e.changed_at.date()) == month and e.changed_at.date() <= LAST]
        for currency in ("KZT", "RUB"):
            arrs = [s.arr_after for s in before if s.price.currency == currency and s.status in COUNTED]
            parts = [("opening", len(arrs), sum(arrs))]
            for kind in MOVEMENTS:
                of_kind = [e for e in moved if e.movement == kind and e.price.currency == currency]
                if of_kind:
                    parts.append((kind, len(of_kind), sum(e.arr_after - e.arr_before for e in of_kind)))
            end = min(LAST, (month + timedelta(days=32)).replace(day=1) - timedelta(days=1))
            closing = [s.arr_after for s in states(years, end) if s.price.currency == currency and s.status in COUNTED]
            reached = 0
            for kind, heads, arr in parts:
                twelfths = [nearest(Fraction(value, 12)) for value in (reached, reached + arr)]
                rows.append((month, currency, kind, heads, arr, twelfths[1] - twelfths[0]))
                reached += arr
            rows.append((month, currency, "closing", len(closing), sum(closing), nearest(Fraction(sum(closing), 12))))
    return rows


def subscriptions_by_status(years: Years) -> Rows:
    rows = []
    for day in days():
        counts = Counter(s.status for s in states(years, day))
        rows += [(day, status.value, counts[status]) for status in Status if counts[status]]
    return rows


def churn_rate(years: Years) -> Rows:
    rows = []
    for month in months():
        alive = {s.subscription_id: s for s in states(years, month - timedelta(days=1)) if s.status in LIVING}
        for currency in ("KZT", "RUB"):
            mine = {id for id, s in alive.items() if s.price.currency == currency}
            ends = [
                e.end_reason
                for e in years.events
                if e.status is Status.ENDED
                and e.previous_status is not Status.ENDED
                and e.subscription_id in mine
                and e.life == alive[e.subscription_id].life
                and month_of(e.changed_at.date()) == month
                and e.changed_at.date() <= LAST
            ]
            involuntary = sum(reason in ("non_payment", "no_method") for reason in ends)
            voluntary = len(ends) - involuntary
            if mine:
                shares = percent(voluntary, len(mine)), percent(involuntary, len(mine))
                rows.append((month, currency, len(mine), voluntary, involuntary, *shares))
    return rows


def lives(years: Years) -> dict[tuple[UUID, int], list[Any]]:
    """The periods of each life, in order."""
    found: dict[tuple[UUID, int], list[Any]] = defaultdict(list)
    for (id, _), period in sorted(years.periods.items()):
        found[id, period.life].append(period)
    return found


def retention_cohorts(years: Years) -> Rows:
    cohorts: dict[tuple[date, str], Counter[int]] = defaultdict(Counter)
    for periods in lives(years).values():
        paid = [p for p in periods if p.status in (PeriodStatus.PAID, PeriodStatus.CUT)]
        if paid and FIRST <= min(p.start_at for p in paid).date() <= LAST:
            cohort = month_of(min(p.start_at for p in paid).date())
            cohorts[cohort, paid[0].currency].update(range(1, len(paid) + 1))
    return [
        (*key, k, count, percent(count, counts[1]))
        for key, counts in sorted(cohorts.items())
        for k, count in sorted(counts.items())
    ]


def tries(years: Years, *, declines_only: bool = False) -> dict[tuple[UUID, int], list[AttemptView]]:
    """The attempts at each renewal, in order, those that were given up left out."""
    found: dict[tuple[UUID, int], list[AttemptView]] = defaultdict(list)
    for attempt in sorted(years.attempts.values(), key=lambda a: a.number):
        given_up = attempt.state in (AttemptState.WITHDRAWN, AttemptState.STRAY)
        ours = declines_only and attempt.decline is Decline.OURS
        if attempt.purpose is not Purpose.FIRST and not given_up and not ours:
            found[years.subscription_of[attempt.payment_id], attempt.period].append(attempt)
    return found


def is_paid(attempts: list[AttemptView]) -> bool:
    return any(attempt.state is AttemptState.PAID for attempt in attempts)


def is_due(years: Years, id: UUID, period: int) -> bool:
    return years.subscriptions[id].status in LIVING and years.due_period(id) == period


def renewals_by_day(years: Years) -> Rows:
    found: dict[tuple[date, str], Counter[str]] = defaultdict(Counter)
    made = tries(years)
    for (id, number), period in years.periods.items():
        day, s, attempts = period.end_at.date(), years.subscriptions[id], made.get((id, number + 1), [])
        due = is_due(years, id, number + 1)
        awaited = due and s.status is Status.ACTIVE and s.cancel_at is None
        if not FIRST <= day <= LAST or not (attempts or awaited):
            continue
        if is_paid(attempts):
            what = "first" if attempts[0].state is AttemptState.PAID else "recovered"
        else:
            what = "open" if due else "failed"
        found[day, period.currency][what] += 1
    return [
        (*key, n.total(), n["first"], n["recovered"], n["open"], n["failed"], percent(n["first"], n.total()))
        for key, n in sorted(found.items())
    ]


def declined(years: Years) -> dict[tuple[UUID, int], list[AttemptView]]:
    """The attempts at the renewals whose first one was declined, in the days that are asked for."""
    found = {}
    for key, attempts in tries(years, declines_only=True).items():
        first = attempts[0]
        if first.state is AttemptState.FAILED:
            assert first.ended_at is not None
            if FIRST <= first.ended_at.date() <= LAST:
                found[key] = attempts
    return found


def dunning_recovery(years: Years) -> Rows:
    groups: dict[tuple[str, str, str], list[tuple[str, int]]] = defaultdict(list)
    for (id, period), attempts in declined(years).items():
        first = attempts[0]
        end = "open" if is_due(years, id, period) else "lost"
        assert first.decline is not None
        key = first.currency, first.decline.value, first.reason or ""
        groups[key].append(("paid" if is_paid(attempts) else end, first.amount))
    rows = []
    for key, ends in groups.items():
        n = Counter(end for end, _ in ends)
        money = sum(amount for _, amount in ends), sum(amount for end, amount in ends if end == "paid")
        rows.append((*key, n.total(), n["paid"], n["open"], n["lost"], percent(n["paid"], n.total()), *money))
    return sorted(rows, key=lambda row: (row[0], -row[3], row[1], row[2]))


def dunning_by_attempt(years: Years) -> Rows:
    groups: dict[tuple[str, str, int], list[tuple[AttemptView, float]]] = defaultdict(list)
    for attempts in declined(years).values():
        first = attempts[0]
        assert first.ended_at is not None
        assert first.decline is not None
        for place, attempt in enumerate(attempts[1:], start=2):
            cut = timedelta(seconds=1)
            waited = attempt.requested_at.replace(microsecond=0) - first.ended_at.replace(microsecond=0)
            groups[first.currency, first.decline.value, place].append((attempt, waited // cut / 86_400))
    rows = []
    for key, made in sorted(groups.items()):
        paid = [a.amount for a, _ in made if a.state is AttemptState.PAID]
        waited_days = pytest.approx(sum(days for _, days in made) / len(made), abs=0.0051)
        rows.append((*key, len(made), len(paid), percent(len(paid), len(made)), waited_days, sum(paid)))
    return rows


def renewal_forecast(years: Years) -> Rows:
    first_tries: dict[str, Counter[bool]] = defaultdict(Counter)
    by_schedule = {key: [a for a in made if a.purpose is Purpose.RENEWAL] for key, made in tries(years).items()}
    for attempts in filter(None, by_schedule.values()):
        first = attempts[0]
        final = first.state in (AttemptState.PAID, AttemptState.FAILED) and first.ended_at is not None
        if final and AS_OF - timedelta(days=90) <= first.ended_at.date() < AS_OF:  # type: ignore[union-attr]
            first_tries[first.currency][first.state is AttemptState.PAID] += 1
    due: dict[tuple[date, str], list[int]] = defaultdict(list)
    for s in years.subscriptions.values():
        if s.status is not Status.ACTIVE or s.cancel_at is not None:
            continue
        assert s.period is not None
        step = {Unit.DAY: 1, Unit.WEEK: 7}.get(s.price.cadence.unit, 10_000) * s.price.cadence.count
        day = s.period.end_at.date()
        while day <= AS_OF + timedelta(days=29):
            if day >= AS_OF:
                due[day, s.price.currency].append(s.price.amount)
            day += timedelta(days=step)
    rows = []
    for (day, currency), amounts in sorted(due.items()):
        n = first_tries[currency]
        rate = Fraction(n[True], n.total()) if n.total() else Fraction(1)
        expected = nearest(sum(amounts) * rate)
        rows.append((day, currency, len(amounts), sum(amounts), pytest.approx(float(100 * rate), abs=0.0051), expected))
    return rows


def arpu(years: Years) -> Rows:
    rows = []
    for month in months():
        asked = [day for day in days() if month_of(day) == month]
        for currency in ("KZT", "RUB"):
            counted = sum(
                s.status in COUNTED and s.price.currency == currency for day in asked for s in states(years, day)
            )
            captured = sum(
                a.amount
                for a in years.attempts.values()
                if a.state is AttemptState.PAID and a.currency == currency and a.ended_at and a.ended_at.date() in asked
            )
            if counted:
                mean = Fraction(counted, len(asked))
                shown = pytest.approx(float(mean), abs=0.0051)
                rows.append((month, currency, captured, shown, nearest(captured / mean)))
    return rows


def subscription_ltv(years: Years) -> Rows:
    net = {p.payment_id: p.captured - p.refunded for p in years.payments}
    groups: dict[tuple[date, str], list[list[int]]] = defaultdict(list)
    for periods in lives(years).values():
        begun_on = min(p.start_at for p in periods).date()
        if FIRST <= begun_on <= LAST:
            groups[month_of(begun_on), periods[0].currency].append([net[p.paid_by] for p in periods])
    rows = []
    for key, found in sorted(groups.items()):
        total = sum(map(sum, found))
        rows.append((*key, len(found), sum(map(len, found)), total, total // len(found)))
    return rows


FIGURES: dict[str, Callable[[Years], Rows]] = {
    "arpu": arpu,
    "churn_rate": churn_rate,
    "dunning_by_attempt": dunning_by_attempt,
    "dunning_recovery": dunning_recovery,
    "mrr": mrr,
    "mrr_movements": mrr_movements,
    "renewal_forecast": renewal_forecast,
    "renewals_by_day": renewals_by_day,
    "retention_cohorts": retention_cohorts,
    "subscription_ltv": subscription_ltv,
    "subscriptions_by_status": subscriptions_by_status,
}


def overlaps(years: Years) -> bool:
    """Whether any time was sold twice: the histories themselves are sound."""
    for periods in lives(years).values():
        sold = sorted((p.start_at, p.end_at) for p in periods if p.status in (PeriodStatus.PAID, PeriodStatus.CUT))
        if any(one[1] > other[0] for one, other in pairwise(sold)):
            return True
    return False
