"""What people type is understood, or they are told what to type instead."""

from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.search.question import MAX_LENGTH, Question, Unclear, parse
from billing.vocabulary import PaymentStatus
from storage.payments.search import Conditions

MOSCOW = ZoneInfo("Europe/Moscow")
NOW = datetime(2026, 11, 28, 14, 30, tzinfo=MOSCOW)
ID = "0b08858d-7b63-4ffe-8645-4f1d16c5a9ea"


def day(number: int, month: int = 11, year: int = 2026, hour: int = 0) -> datetime:
    return datetime(year, month, number, hour, tzinfo=MOSCOW)


def days(first: datetime, after: datetime) -> Question:
    return Question(conditions=Conditions(created_from=first, created_to=after))


def asked(**conditions: object) -> Question:
    return Question(conditions=Conditions(**conditions))  # type: ignore[arg-type]


UNDERSTOOD = {
    "": asked(),
    "  ": asked(),
    ID: Question(UUID(ID), ID),
    f"payment:{ID}": Question(UUID(ID), ID),
    f"subscription:{ID}": Question(UUID(ID), ID),
    "ref:pi_3Nv": Question(None, "pi_3Nv"),
    "pi_3Nv": Question(None, "pi_3Nv"),
    "http:x": Question(None, "http:x"),
    "*4242": asked(last4="4242"),
    "****4242": asked(last4="4242"),
    "last4:0042": asked(last4="0042"),
    "299": Question(None, "299", Conditions(amount=(29_900, 29_900))),
    "0299": Question(None, "0299", Conditions(amount=(29_900, 29_900))),
    "299,50": asked(amount=(29_950, 29_950)),
    "31.02": asked(amount=(3_102, 3_102)),
    "0.50": asked(amount=(50, 50)),
    "299.00 rub": asked(amount=(29_900, 29_900), currency="RUB"),
    "JPY amount:299": asked(amount=(299, 299), currency="JPY"),
    "amount:100..500": asked(amount=(10_000, 50_000)),
    "100..500.5": asked(amount=(10_000, 50_050)),
    "1.234 KWD": asked(amount=(1_234, 1_234), currency="KWD"),
    "299 captured": Question(None, "299", Conditions(amount=(29_900, 29_900), statuses=(PaymentStatus.CAPTURED,))),
    "2026-11-25": days(day(25), day(26)),
    "25.11.2026": days(day(25), day(26)),
    "25.11": days(day(25), day(26)),
    "29.11": days(day(29, year=2025), day(30, year=2025)),
    "today": days(day(28), day(29)),
    "Вчера": days(day(27), day(28)),
    "date:2026-11-01..yesterday": days(day(1), day(28)),
    "25.11 10:00..12:00": days(day(25, hour=10), day(25, hour=12)),
    "25.11 9:00..12:00": days(day(25, hour=9), day(25, hour=12)),
    "open": asked(statuses=(PaymentStatus.PENDING, PaymentStatus.AUTHORIZED)),
    "status:open": asked(statuses=(PaymentStatus.PENDING, PaymentStatus.AUTHORIZED)),
    "Refunded": asked(statuses=(PaymentStatus.REFUNDED,)),
    "status:voided,refunded,voided": asked(statuses=(PaymentStatus.VOIDED, PaymentStatus.REFUNDED)),
    "provider:stripe customer:c-1 currency:usd": asked(provider="stripe", customer_id="c-1", currency="USD"),
    "EUR": asked(currency="EUR"),
}


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_is_understood(text: str) -> None:
    assert parse(text, NOW) == UNDERSTOOD[text]


UNCLEAR = {
    "x" * (MAX_LENGTH + 1): "at most 300",
    "4111 1111 1111 1111": "Card numbers",
    "4111111111111111": "Card numbers",
    "anna@cinema.example": "customer's id",
    "+79001234567": "customer's id",
    "*4242 *1111": "once",
    "last4:42": "last4:4242",
    "299 300": "one amount",
    "299.5 ref:a ref:b": "one id",
    "amount:much": "amount:299.00",
    "500..100": "smaller amount first",
    "9999999999999": "trillion",
    "2.505 RUB": "no amount of RUB",
    "date:soon": "2026-11-25",
    "10:00..12:00": "day before the hours",
    "2026-11-01..2026-11-02 10:00..12:00": "day before the hours",
    "25.11 10:00..25:00": "hours as",
    "status:": "A status is one of",
    "status:gone": "A status is one of",
    "currency:xyz": "A currency is one of",
    "customer:": "after customer:",
    "фильм": "ASCII",
    f"{ID} captured": "leave the other conditions out",
}


@pytest.mark.parametrize("text", UNCLEAR)
def test_says_what_to_type_instead(text: str) -> None:
    with pytest.raises(Unclear, match=UNCLEAR[text]):
        parse(text, NOW)


def test_a_day_that_is_not_in_every_year_is_the_last_one() -> None:
    now = datetime(2025, 1, 10, tzinfo=UTC)
    question = parse("29.02", now)
    assert question.conditions is not None
    assert question.conditions.created_from == datetime(2024, 2, 29, tzinfo=UTC)


def test_the_trail_gets_the_shape_and_no_value() -> None:
    question = parse("299 captured 25.11", NOW)
    assert question.shape == ["reference", "amount", "statuses", "created_from", "created_to"]
    assert parse(ID, NOW).shape == ["id", "reference"]


@given(st.text(max_size=40))
def test_anything_is_understood_or_unclear(text: str) -> None:
    with suppress(Unclear):
        assert isinstance(parse(text, NOW), Question)
