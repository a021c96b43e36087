"""Every report against a computation in plain Python on the same two days."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest

from analytics.report import ReportError, read_reports
from billing.payments.allocation import lines
from billing.payments.model import Operation, Payment
from billing.payments.refundable_cart import sold_cart
from billing.vocabulary import CaptureMode, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.integration.analytics.conftest import TODAY, Ask
from tests.support.clearing_figures import FIGURES as CLEARING_FIGURES
from tests.support.reports import FIRST_DAY, Days
from tests.support.subscription_figures import FIGURES as SUBSCRIPTION_FIGURES

Rows = list[tuple[Any, ...]]
SUCCESS, FAIL = OperationStatus.SUCCESS, OperationStatus.FAIL
#: The reasons with which issuers and providers decline on the generated days.
DECLINED_FOR = ("insufficient_funds", "stolen_card", "issuer_unavailable")


def grouped(things: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups = defaultdict(list)
    for thing in things:
        groups[key(thing)].append(thing)
    return dict(sorted(groups.items()))


def percent(part: float, whole: float) -> Any:
    return pytest.approx(100 * part / whole if whole else 0, abs=0.0051)


def quantile(level: float, values: list[int]) -> int:
    """As ClickHouse's quantileExact takes it."""
    return sorted(values)[int(level * len(values))]


def ms(start: datetime, end: datetime) -> int:
    """Milliseconds between, each end cut to a millisecond first, as ClickHouse counts borders crossed."""
    cut = timedelta(milliseconds=1)
    return (end - FIRST_DAY) // cut - (start - FIRST_DAY) // cut


def books_by_day(days: Days) -> Rows:
    rows = []
    for key, group in grouped(days.postings, lambda p: (p[1].posted_at.date(), p[1].currency)).items():
        sums: Counter[str] = Counter()
        for _, posting in group:
            for entry in posting.entries:
                sums[str(entry.account)] += entry.amount
        rows.append((*key, -sums["revenue"], sums["refunds"], 0, -sums["revenue"] - sums["refunds"]))
    return rows


def revenue_by_product(days: Days) -> Rows:
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for payment in days.payments:
        for line in lines(payment):
            total = sums[payment.order.currency, line.product_id]
            total[0] += line.captured > 0
            total[1] += line.captured
            total[2] += line.refunded
    rows = [(*key, n, gross, back, gross - back) for key, (n, gross, back) in sums.items() if gross]
    return sorted(rows, key=lambda row: (row[0], -row[5], row[1]))


def revenue_by_provider(days: Days) -> Rows:
    rows = []
    for key, group in grouped(days.payments, lambda p: (p.created_at.date(), p.order.currency, p.provider)).items():
        gross, back = sum(p.captured for p in group), sum(p.refunded for p in group)
        rows.append((*key, sum(p.captured > 0 for p in group), gross, back, gross - back))
    return rows


def approval(
    days: Days, key: Callable[[tuple[Payment, Operation]], tuple[Any, ...]], *, undecided: bool = False
) -> Rows:
    rows = []
    for name, group in grouped(days.charges, key).items():
        states = Counter(charge.status for _, charge in group)
        declined = sum(is_decline(charge) for _, charge in group)
        rest = (len(group) - states[SUCCESS] - states[FAIL],) if undecided else ()
        if states[SUCCESS] + declined:
            rows.append((*name, states[SUCCESS], declined, *rest, percent(states[SUCCESS], states[SUCCESS] + declined)))
    return rows


def is_decline(charge: Operation) -> bool:
    """Whether an issuer or a provider declined it."""
    return charge.status is FAIL and charge.reason in DECLINED_FOR


def kind(charge: Operation) -> str:
    return {
        "insufficient_funds": "issuer",
        "issuer_unavailable": "issuer",
        "stolen_card": "provider",  # not in our list
        "expired": "abandoned",
        "rolled_back": "cancelled",
        "voided": "cancelled",
        "provider_disabled": "ours",
    }[charge.reason or ""]


def method(charge: Operation) -> str:
    return "saved method" if charge.type is OperationType.RECURRING else "customer present"


def decline_reasons(days: Days) -> Rows:
    declined = [(p, o) for p, o in days.charges if is_decline(o)]
    whole = Counter((o.provider, p.order.currency) for p, o in declined)
    rows = [
        (*key, len(group), sum(o.amount for _, o in group), percent(len(group), whole[key[:2]]))
        for key, group in grouped(
            declined, lambda c: (c[1].provider, c[0].order.currency, c[1].reason, kind(c[1]))
        ).items()
    ]
    return sorted(rows, key=lambda row: (row[0], row[1], -row[4], row[2]))


def failures_by_kind(days: Days) -> Rows:
    failed = [(p, o) for p, o in days.charges if o.status is FAIL]
    whole = Counter((o.provider, p.order.currency) for p, o in failed)
    rows = [
        (*key, len(group), sum(o.amount for _, o in group), percent(len(group), whole[key[:2]]))
        for key, group in grouped(failed, lambda c: (c[1].provider, c[0].order.currency, kind(c[1]))).items()
    ]
    return sorted(rows, key=lambda row: (row[0], row[1], -row[3], row[2]))


def retry_effect(days: Days) -> Rows:
    still = (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED)
    done = sorted((p for p in days.payments if p.status not in still), key=lambda p: (p.created_at, p.id))
    tries: dict[int, list[bool]] = defaultdict(list)
    for group in grouped(done, lambda p: p.order.customer_id).values():
        number = 1
        for payment in group:
            tries[min(number, 5)].append(payment.captured > 0)
            number = 1 if payment.captured else number + 1
    return [(n, len(ends), sum(ends), percent(sum(ends), len(ends))) for n, ends in sorted(tries.items())]


def customers(days: Days) -> dict[tuple[str, str], list[Payment]]:
    paid = [p for p in days.payments if p.captured]
    return grouped(sorted(paid, key=lambda p: p.created_at), lambda p: (p.order.customer_id, p.order.currency))


def customer_cohorts(days: Days) -> Rows:
    found: dict[tuple[date, int, str], list[int]] = defaultdict(list)
    for (_, currency), payments in customers(days).items():
        cohort = payments[0].created_at.date().replace(day=1)
        for month, group in groupby(payments, key=lambda p: p.created_at.month):
            net = sum(p.captured - p.refunded for p in group)
            found[cohort, month - cohort.month, currency].append(net)
    return [(*key, len(nets), sum(nets)) for key, nets in sorted(found.items())]


def lifetime_value(days: Days) -> Rows:
    rows = []
    cohorts = grouped(customers(days).items(), lambda c: (c[1][0].created_at.date().replace(day=1), c[0][1]))
    for key, group in cohorts.items():
        bought = [payment for _, payments in group for payment in payments]
        net = sum(p.captured - p.refunded for p in bought)
        rows.append((*key, len(group), len(bought), net, net // len(group)))
    return rows


def refund_ratio(days: Days) -> Rows:
    rows = []
    for key, group in grouped(
        (p for p in days.payments if p.captured), lambda p: (p.provider, p.order.currency)
    ).items():
        back = sum(p.refunded > 0 for p in group)
        gross, refunds = sum(p.captured for p in group), sum(p.refunded for p in group)
        rows.append((*key, len(group), back, gross, refunds, percent(back, len(group)), percent(refunds, gross)))
    return rows


def chargeback_ratio(days: Days) -> Rows:
    captured = [p for p in days.payments if p.captured]
    groups = grouped(captured, lambda p: (p.provider, p.order.currency))
    return [(*key, sum(p.captured for p in group), 0, 0, 0) for key, group in groups.items()]


def provider_comparison(days: Days) -> Rows:
    rows = []
    for provider, calls in grouped(days.calls, lambda call: call.provider).items():
        outcomes = Counter(call.outcome.value for call in calls)
        took = [call.duration_us for call in calls]
        unknown = outcomes["UNKNOWN"]
        declined = sum(call.outcome is Outcome.DECLINED and call.reason in DECLINED_FOR for call in calls)
        p50, p95 = (quantile(level, took) // 1000 for level in (0.5, 0.95))
        rows.append((provider, len(calls), declined, unknown, percent(unknown, len(calls)), p50, p95))
    return rows


def slowest_steps(days: Days) -> Rows:
    rows = []
    for key, calls in grouped(days.calls, lambda call: (call.provider, call.action.value)).items():
        took = [call.duration_us for call in calls]
        rows.append((*key, len(took), *(quantile(level, took) for level in (0.5, 0.95, 0.99)), max(took)))
    return sorted(rows, key=lambda row: (-row[4], row[0], row[1]))


def unsettled_by_age(days: Days) -> Rows:
    groups = grouped(days.postings, lambda p: (p[0].provider, p[1].currency))
    return [
        (
            *key,
            "0-1",
            len(group),
            sum(e.amount for _, p in group for e in p.entries if str(e.account).startswith("clearing")),
        )
        for key, group in groups.items()
    ]


def funnel(days: Days, provider: str = "") -> Rows:
    payments = [p for p in days.payments if provider in ("", p.provider)]
    steps = {
        "1 created": len(payments),
        "2 authorized": sum(p.authorized > 0 for p in payments),
        "3 captured": sum(p.captured > 0 for p in payments),
        "4 not refunded": sum(p.captured > 0 and not p.refunded for p in payments),
    }
    return [(step, n, percent(n, len(payments))) for step, n in steps.items()]


def time_to_final(days: Days) -> Rows:
    rows = []
    ended = [life for life in days.lives if life.final_at is not None]
    for day, lives in grouped(ended, lambda life: life.payment.created_at.date()).items():
        took = [ms(life.payment.created_at, life.final_at) for life in lives]
        rows.append((day, len(took), *(quantile(level, took) for level in (0.5, 0.95, 0.99))))
    return rows


def unfinished_by_age(days: Days) -> Rows:
    open_ = [p for p in days.payments if p.status in (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED)]
    rows = [
        (*key, len(group), sum(p.order.amount for p in group), min(p.created_at for p in group))
        for key, group in grouped(open_, lambda p: (p.provider, p.status.value, p.order.currency)).items()
    ]
    return sorted(rows, key=lambda row: (row[5], row[:3]))


def hold_outcomes(days: Days) -> Rows:
    def outcome(payment: Payment) -> str:
        if payment.captured:
            return "whole" if payment.captured == payment.authorized else "in part"
        return "still held" if payment.status is PaymentStatus.AUTHORIZED else "released"

    held = [p for p in days.payments if p.capture_mode is CaptureMode.TWO_STAGE and p.authorized]
    groups = grouped(held, lambda p: (p.order.currency, outcome(p)))
    return [
        (*key, len(group), sum(p.authorized for p in group), sum(p.captured for p in group))
        for key, group in groups.items()
    ]


EXPECTED: dict[str, Callable[[Days], Rows]] = {
    "approval_by_hour": lambda days: approval(days, lambda c: (c[1].created_at.hour, c[1].provider)),
    "approval_by_method": lambda days: approval(days, lambda c: (method(c[1]), c[0].capture_mode.value)),
    "approval_by_provider": lambda days: approval(days, lambda c: (c[1].provider, c[0].order.currency), undecided=True),
    "books_by_day": books_by_day,
    "chargeback_ratio": chargeback_ratio,
    "customer_cohorts": customer_cohorts,
    "decline_reasons": decline_reasons,
    "failures_by_kind": failures_by_kind,
    "funnel": funnel,
    "hold_outcomes": hold_outcomes,
    "lifetime_value": lifetime_value,
    "provider_comparison": provider_comparison,
    "refund_ratio": refund_ratio,
    "retry_effect": retry_effect,
    "revenue_by_product": revenue_by_product,
    "revenue_by_provider": revenue_by_provider,
    "slowest_steps": slowest_steps,
    "time_to_final": time_to_final,
    "unfinished_by_age": unfinished_by_age,
    "unsettled_by_age": unsettled_by_age,
}


def test_the_generated_days_hold_everything_that_reports_ask_about(days: Days) -> None:
    statuses = {payment.status for payment in days.payments}

    assert statuses == set(PaymentStatus)
    assert {row[2] for row in failures_by_kind(days)} == {"issuer", "provider", "abandoned", "cancelled", "ours"}
    assert {row[1] for row in hold_outcomes(days)} == {"whole", "in part", "released", "still held"}
    assert max(row[0] for row in retry_effect(days)) >= 3
    assert any(len(sold_cart(p).items) < len(p.order.cart.items) for p in days.payments)


def test_there_is_a_check_of_every_report() -> None:
    assert len(read_reports()) >= 15
    assert set(EXPECTED) | set(SUBSCRIPTION_FIGURES) | set(CLEARING_FIGURES) | {"stream_lag"} == set(read_reports())


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_report_says_what_plain_python_says(name: str, ask: Ask, days: Days) -> None:
    expected = EXPECTED[name](days)

    assert expected
    assert await ask(name) == expected


@pytest.mark.parametrize("name", read_reports(of_client=True))
async def test_a_report_of_one_client_counts_that_clients_payments_only(name: str, ask: Ask) -> None:
    assert await ask(name, of="shop") == await ask(name), "all generated payments are the shop's"

    assert not [row for row in await ask(name, of="another' OR '1' = '1") if any(map(_is_counted, row[1:]))]


def _is_counted(value: Any) -> bool:
    return isinstance(value, int | float) and value != 0


@pytest.mark.parametrize("name", ["stream_lag", *CLEARING_FIGURES])
async def test_a_report_of_the_service_is_of_no_client(name: str, ask: Ask) -> None:
    with pytest.raises(ReportError, match=f"{name} is about the service as a whole"):
        await ask(name, of="shop")


async def test_a_report_looks_at_the_asked_days_only(ask: Ask, days: Days) -> None:
    day = TODAY.isoformat()
    whole = revenue_by_provider(days)

    rows = await ask("revenue_by_provider", **{"from": day, "to": day})

    assert 0 < len(rows) < len(whole)
    assert rows == [row for row in whole if row[0] == TODAY]


async def test_a_text_parameter_narrows_the_answer_and_is_never_sql(ask: Ask, days: Days) -> None:
    assert await ask("funnel", provider="sandbox") == funnel(days, "sandbox")
    assert (await ask("funnel", provider="x' OR '1' = '1"))[0][1] == 0


async def test_a_limit_limits_by_currency(ask: Ask) -> None:
    assert len(await ask("revenue_by_product", limit="1")) == 2


async def test_the_stream_lag_is_that_of_the_oldest_change_of_a_batch(ask: Ask, days: Days) -> None:
    (row,) = [r for r in await ask("stream_lag", to="2026-11-05") if r[1]]
    changed = [event.changed_at for event in days.events]
    half = changed[len(changed) // 2 :]
    delivered = FIRST_DAY + timedelta(days=3)

    assert row[0] == max(changed).replace(minute=0, second=0, microsecond=0)
    assert row[1:3] == (2, len(changed) + len(half))
    assert row[5] == ms(min(changed), delivered)
