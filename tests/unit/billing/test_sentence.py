"""A sentence is its English text, and keeps what it is made of."""

from datetime import UTC, date, datetime

import msgspec
import pytest

from billing.money import Money
from billing.sentence import Code, Sentence, Value, has_words, joined
from billing.vocabulary import PaymentStatus


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("yandex-pay", "yandex-pay"),
        (12, "12"),
        (Money(150_050, "RUB"), "1500.50 RUB"),
        (datetime(2026, 11, 3, 12, 5, tzinfo=UTC), "2026-11-03T12:05:00Z"),
        (date(2026, 11, 3), "3 November 2026"),
        (PaymentStatus.CAPTURED, "CAPTURED"),
        (Code("operation_id"), "operation_id"),
        (Sentence("in %(took)s ms", took=5), "in 5 ms"),
    ],
)
def test_it_is_a_text_in_english(value: Value, written: str) -> None:
    sentence = Sentence("%(what)s of 100 %% here", what=value)
    assert sentence == f"{written} of 100 % here"
    assert (sentence.template, sentence.values) == ("%(what)s of 100 %% here", {"what": value})


def test_a_sentence_without_values_is_its_template() -> None:
    assert Sentence("100 % of it") == "100 % of it"


def test_parts_that_there_are_are_joined_and_stay_what_they_are() -> None:
    made = joined(", ", PaymentStatus.CAPTURED, None, Sentence("no access"))
    assert made == "CAPTURED, no access"
    assert [*made.values.values()] == [PaymentStatus.CAPTURED, "no access"]
    assert joined(", ") == ""


@pytest.mark.parametrize(
    ("template", "words"), [("%(a)s → %(b)s", False), ("(%(value)s)", False), ("v%(a)s", True), ("until %(a)s", True)]
)
def test_a_template_without_words_is_the_same_in_every_language(template: str, words: bool) -> None:
    assert has_words(template) is words


def test_json_has_the_text() -> None:
    assert msgspec.json.encode({"a": Sentence("x %(y)s", y=1)}, enc_hook=str) == b'{"a":"x 1"}'
