"""The cards that a person can choose on the payment page, and what each bank answers."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Card(NamedTuple):
    """``answer``: in words. ``codes``: the provider's code of the decline, by provider; empty: it pays."""

    number: str
    answer: str
    codes: Mapping[str, str] = {}


#: Numbers as Stripe publishes them for tests; no issuer has them.
CARDS: Final = (
    Card("4242 4242 4242 4242", "pays"),
    Card(
        "4000 0000 0000 0002",
        "declined without a reason",
        {"yandex-pay": "DECLINED", "yookassa": "general_decline", "stripe": "generic_decline", "tbank": "1005"},
    ),
    Card(
        "4000 0000 0000 9995",
        "not enough money",
        {
            "yandex-pay": "INSUFFICIENT_FUNDS",
            "yookassa": "insufficient_funds",
            "stripe": "insufficient_funds",
            "tbank": "1051",
        },
    ),
    Card(
        "4000 0000 0000 0069",
        "the card has expired",
        {"yandex-pay": "CARD_EXPIRED", "yookassa": "card_expired", "stripe": "expired_card", "tbank": "1054"},
    ),
    Card(
        "4000 0000 0000 9979",
        "the bank suspects fraud",
        {"yandex-pay": "FRAUD", "yookassa": "fraud_suspected", "stripe": "stolen_card", "tbank": "1043"},
    ),
    Card(
        "4000 0000 0000 0119",
        "the bank does not answer",
        {
            "yandex-pay": "ISSUER_UNAVAILABLE",
            "yookassa": "issuer_unavailable",
            "stripe": "issuer_not_available",
            "tbank": "1030",
        },
    ),
    Card(
        "4000 0000 0000 3063",
        "3-D Secure fails",
        {
            "yandex-pay": "3DS_FAILED",
            "yookassa": "3d_secure_failed",
            "stripe": "authentication_required",
            "tbank": "101",
        },
    ),
)


def card_of(number: str) -> Card | None:
    """The card with this number."""
    return next((card for card in CARDS if card.number == number), None)
