"""Refusals of a subscription in the words of the panel, and what to do about them. Pure."""

from types import MappingProxyType
from typing import Final

from admin.payments import cures
from billing.messages import Refusal

_CURES: Final = MappingProxyType(
    {
        "version_changed": "The subscription has changed since you looked. Read it again, and decide again.",
        "subscription_ended": "There is nothing to end. The customer may subscribe again.",
        "not_cancelled": "Nothing has to be done: it renews.",
        "no_method": "The customer has to name a payment method in the shop first.",
        "nothing_due": "The last period is paid. Wait for the next renewal.",
        "charge_open": "Wait until the outcome is known; the open attempt has a link to its payment.",
        "too_many_tries": "Wait until the next try may be made.",
        "not_extendable": "Only a period that is paid for can be extended. An ended subscription begins anew in the shop.",
        "invalid_end": "Choose a time behind the present end and in the future.",
        "idempotency_key_reused": "The form was sent before with another content. Open a new form.",
    }
)


def in_words(refusal: Refusal) -> str:
    """Why a command to a subscription is refused, as a sentence."""
    return f"{refusal.detail[:1].upper()}{refusal.detail[1:]}."


def cure_of(code: str) -> str:
    """What to do. Total."""
    return _CURES.get(code) or cures.cure_of(code)
