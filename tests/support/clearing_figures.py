"""A month of clearing at two providers, and what each report on it has to say, in plain Python."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import pytest
from msgspec.structs import replace

from billing.clearing.discrepancies import HANDLING, Event, Kind, State
from billing.messages.clearing_events import (
    BookedTotal,
    ClearingMessage,
    DayCleared,
    DayClosed,
    DiscrepancyChanged,
    LostCallbacks,
    PayoutStated,
    StatementTotal,
)

Rows = list[tuple[Any, ...]]
T = TypeVar("T", bound=ClearingMessage)

FIRST, LAST = date(2026, 10, 20), date(2026, 11, 18)
AS_OF = date(2026, 11, 25)
PROVIDERS = ("stripe", "tbank")
KINDS = ("charge", "refund", "refund_undone", "chargeback", "fee", "payout")
PAYMENT_LINES = ("charge", "refund", "refund_undone", "chargeback", "chargeback_undone")


class Month:
    """Events, the later versions of a subject after the earlier ones."""

    def __init__(self, seed: int = 3) -> None:
        self._random = Random(seed)
        self._ids = 0
        self.events: list[ClearingMessage] = []
        for number in range((LAST - FIRST).days + 1):
            for provider in PROVIDERS:
                self._day(provider, FIRST + timedelta(days=number))
        self.events.append(
            DayClosed(
                id=self._id(), version=1, changed_at=_noon(LAST), accounting_date=LAST, closed_by="ann", reason="explained",
                entries=3, hash="00",
            )
        )  # fmt: skip

    def last(self, kind: type[T]) -> list[T]:
        """Of each subject the last version."""
        found = {event.id: event for event in self.events if isinstance(event, kind)}
        return list(found.values())

    def _id(self) -> UUID:
        self._ids += 1
        return UUID(int=self._ids)

    def _day(self, provider: str, day: date) -> None:
        random = self._random
        about: dict[str, Any] = {
            "provider": provider,
            "business_date": day,
            "changed_at": _noon(day + timedelta(days=1)),
        }
        state = random.choice(("done", "done", "done", "open", "suspect"))
        cleared = DayCleared(
            id=self._id(), version=1, **about, state=state, lines=random.randint(0, 50), loose=random.randint(0, 3),
            reason=None if state == "done" else "timeout",
            booked=() if state == "open" else tuple(
                BookedTotal(currency, random.randint(1, 40), random.randint(-500, 90_000)) for currency in ("RUB", "USD")
            ),
            stated=() if state == "open" else self._stated(provider),
        )  # fmt: skip
        self.events.append(cleared)
        if random.random() < 0.3:
            self.events.append(replace(cleared, version=2, state="done", reason=None, stated=self._stated(provider)))
        self.events.append(LostCallbacks(id=self._id(), version=1, **about, learnt_by=self._lost()))
        if random.random() < 0.7:
            payout = PayoutStated(
                id=self._id(), version=1, **about, kind=random.choice(("payout", "payout", "payout_failed")), line="po",
                currency="RUB", amount=-random.randint(1, 90_000), at=_noon(day), fee=random.choice((None, 7)),
            )  # fmt: skip
            self.events.append(payout)
            if random.random() < 0.2:
                self.events.append(replace(payout, version=2, withdrawn=True))
        for _ in range(random.randint(0, 4)):
            self._discrepancy(about)

    def _stated(self, provider: str) -> tuple[StatementTotal, ...]:
        random, totals = self._random, []
        for kind in KINDS:
            for method in ("card", "sbp", None):
                lines = random.randint(1, 20)
                amount = random.randint(1, 30_000) * (1 if kind in ("charge", "refund_undone") else -1)
                settled = amount // 90 if method == "sbp" else amount
                told = provider == "stripe" or random.random() < 0.5
                totals.append(
                    StatementTotal(
                        kind, random.choice(("RUB", "USD")), lines, amount, "EUR" if method == "sbp" else "RUB", settled,
                        method=method, fee=random.randint(-20, 700) if told and kind != "fee" else None,
                        delay_days=random.choice((None, -1, 0, 0, 1, 2, 9)),
                    )
                )  # fmt: skip
        return tuple(totals)

    def _lost(self) -> dict[str, int]:
        return {
            how: self._random.randint(1, 5)
            for how in ("inquiry", "statement", "operator")
            if self._random.random() < 0.4
        }

    def _discrepancy(self, about: dict[str, Any]) -> None:
        random = self._random
        kind = random.choice(list(Kind))
        handling = HANDLING[kind]
        opened = about["changed_at"] + timedelta(minutes=random.randint(0, 2_000))
        found = DiscrepancyChanged(
            id=self._id(), version=1, **{**about, "changed_at": opened}, subject="operation:1", kind=kind,
            severity=handling.severity, state=State.OPEN, event=Event.FOUND, actor="system:clearing", opened_at=opened,
            currency=random.choice(("RUB", "USD", None)), ours=random.choice((None, 0, 900)),
            theirs=random.choice((None, 100, -700)), due_at=None if handling.due is None else opened + handling.due,
        )  # fmt: skip
        self.events.append(found)
        state = random.choice([*State, State.OPEN, State.PERSON])
        if state is not State.OPEN:
            later = opened + timedelta(hours=3)
            closed = later if state is State.CLOSED else None
            self.events.append(replace(found, version=2, state=state, changed_at=later, closed_at=closed))


def clearing_by_day(month: Month) -> Rows:
    rows: Rows = []
    apart = Counter(
        (d.business_date, d.provider) for d in month.last(DiscrepancyChanged) if d.state is not State.CLOSED
    )
    for day in month.last(DayCleared):
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for ours in day.booked:
            sums[ours.currency][0] += ours.movements
            sums[ours.currency][1] += ours.amount
        for theirs in day.stated:
            if theirs.kind in PAYMENT_LINES:
                sums[theirs.currency][2] += theirs.lines
                sums[theirs.currency][3] += theirs.amount
        for currency, (movements, booked, lines, stated) in sums.items() or [("", (0, 0, 0, 0))]:
            found = apart[day.business_date, day.provider]
            key = (day.business_date, day.provider, day.state, currency)
            rows.append((*key, movements, booked, lines, stated, stated - booked, found))
    return sorted(rows, key=lambda row: (row[0], row[1], row[3]))


def discrepancies_by_kind(month: Month) -> Rows:
    rows: Rows = []
    for key, group in _grouped(month.last(DiscrepancyChanged), lambda d: (d.kind, d.severity, d.currency or "")):
        states = Counter(d.state for d in group)
        waiting = states[State.EXPECTED] + states[State.OPEN]
        apart = sum(_apart(d) for d in group if d.state is not State.CLOSED)
        counted = (waiting, states[State.PERSON], states[State.RESOLVED], states[State.CLOSED])
        rows.append((*key, len(group), *counted, apart))
    return rows


def discrepancies_by_age(month: Month) -> Rows:
    end = datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=UTC) + timedelta(days=1)

    def age(d: DiscrepancyChanged) -> int:
        days = (AS_OF - d.opened_at.date()).days
        return next(n for n, limit in enumerate((0, 3, 10, 30, 10_000)) if days <= limit)

    names = ("0", "1-3", "4-10", "11-30", "31+")
    still = [d for d in month.last(DiscrepancyChanged) if d.state is not State.CLOSED and d.opened_at < end]
    return [
        (
            names[key[0]], key[1], key[2], len(group),
            sum(d.due_at is not None and d.due_at < end for d in group), sum(map(_apart, group)),
        )
        for key, group in _grouped(still, lambda d: (age(d), d.severity, d.currency or ""))
    ]  # fmt: skip


def settlement_delay(month: Month) -> Rows:
    totals = [
        (day.provider, total)
        for day in month.last(DayCleared)
        for total in day.stated
        if total.kind in ("charge", "refund") and total.delay_days is not None
    ]
    rows: Rows = []
    for key, group in _grouped(totals, lambda t: (t[0], t[1].method or "")):
        delays = sorted(t.delay_days for _, t in group for _ in range(t.lines) if t.delay_days is not None)
        quantiles = [delays[math.ceil(len(delays) * level) - 1] for level in (0.5, 0.9, 0.99)]
        rows.append((*key, len(delays), *quantiles, delays[-1]))
    return rows


def fees_by_provider(month: Month) -> Rows:
    kinds = ("charge", "refund", "refund_undone", "fee")
    totals = [(d.provider, t) for d in month.last(DayCleared) for t in d.stated if t.kind in kinds]
    rows: Rows = []
    for key, pairs in _grouped(totals, lambda t: (t[0], t[1].method or "", t[1].settlement_currency)):
        group = [total for _, total in pairs]
        charges = [t for t in group if t.kind == "charge"]
        charged = sum(t.settled for t in charges if t.fee is not None)
        fees = sum(t.fee or 0 for t in group) - sum(t.settled for t in group if t.kind == "fee")
        untold = sum(t.lines for t in charges if t.fee is None)
        percent = pytest.approx(100 * fees / charged, abs=0.0051)
        rows.append((*key, sum(t.lines for t in charges), untold, charged, fees, percent))
    return rows


def lost_callbacks(month: Month) -> Rows:
    return sorted(
        (lost.business_date, lost.provider, how, number)
        for lost in month.last(LostCallbacks)
        for how, number in lost.learnt_by.items()
    )


def payouts_by_day(month: Month) -> Rows:
    payouts = [p for p in month.last(PayoutStated) if not p.withdrawn]
    rows: Rows = []
    for key, group in _grouped(payouts, lambda p: (p.business_date, p.provider, p.currency)):
        left = [p.amount for p in group if p.kind == "payout"]
        back = [p.amount for p in group if p.kind == "payout_failed"]
        rows.append((*key, len(left), -sum(left), len(back), sum(back), sum(p.fee or 0 for p in group)))
    return rows


#: Report → its rows.
FIGURES: dict[str, Callable[[Month], Rows]] = {
    report.__name__: report
    for report in (
        clearing_by_day,
        discrepancies_by_kind,
        discrepancies_by_age,
        settlement_delay,
        fees_by_provider,
        lost_callbacks,
        payouts_by_day,
    )
}


def _apart(d: DiscrepancyChanged) -> int:
    return abs((d.theirs or 0) - (d.ours or 0))


def _grouped(things: Iterable[Any], key: Callable[[Any], Any]) -> list[tuple[Any, list[Any]]]:
    groups = defaultdict(list)
    for thing in things:
        groups[key(thing)].append(thing)
    return sorted(groups.items())


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
