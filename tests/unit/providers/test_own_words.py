"""What is kept of a provider's own code and words."""

import pytest

from billing.messages import ProviderReason
from providers.own_words import CODE_LIMIT, MESSAGE_LIMIT, provider_reason


@pytest.mark.parametrize(
    ("code", "words", "kept"),
    [
        ("card_declined", ("Your card was declined.",), ProviderReason("card_declined", "Your card was declined")),
        ("1051", ("No.", "Not enough."), ProviderReason("1051", "No. Not enough")),
        ("4", (None, ""), ProviderReason("4")),
        (None, ("Why",), ProviderReason(None, "Why")),
        (None, (None,), None),
        ("", (" ",), None),
        ("a\0b", ("one\r\n\ttwo\u202ethree\0",), ProviderReason("a b", "one two three")),
        ("x", ("card 4111 1111 1111 1111 of a@b.example",), ProviderReason("x", "card *** of ***")),
        ("x", ("Invalid API Key provided: sk_live_abcdefgh",), ProviderReason("x", "Invalid API Key provided: ***")),
    ],
)
def test_it_is_one_masked_line_each(code, words, kept):
    assert provider_reason(code, *words) == kept


def test_it_is_bounded_and_shows_that_it_was_cut():
    said = provider_reason("c" * 1000, "ы" * 1000)
    assert said is not None
    assert (len(said.code or ""), len(said.message or "")) == (CODE_LIMIT, MESSAGE_LIMIT)
    assert (said.code or "").endswith("…")
    assert (said.message or "").endswith("…")
