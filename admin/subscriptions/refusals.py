"""Refusals of a subscription in the words of the panel, and what to do about them. Pure."""

from types import MappingProxyType
from typing import Final

from admin.language import N_, gettext
from admin.payments import cures
from admin.payments.refusals import as_sentence
from admin.retelling import retold
from billing.messages import Refusal

_CURES: Final = MappingProxyType(
    {
        "version_changed": N_("The subscription has changed since you looked. Read it again, and decide again."),
        "subscription_ended": N_("There is nothing to end. The customer may subscribe again."),
        "not_cancelled": N_("Nothing has to be done: it renews."),
        "no_method": N_("The customer has to name a payment method in the shop first."),
        "nothing_due": N_("The last period is paid. Wait for the next renewal."),
        "charge_open": N_("Wait until the outcome is known; the open attempt has a link to its payment."),
        "too_many_tries": N_("Wait until the next try may be made."),
        "not_extendable": N_(
            "Only a period that is paid for can be extended. An ended subscription begins anew in the shop."
        ),
        "invalid_end": N_("Choose a time behind the present end and in the future."),
        "idempotency_key_reused": N_("The form was sent before with another content. Open a new form."),
    }
)


def in_words(refusal: Refusal) -> str:
    """Why a command to a subscription is refused, as a sentence."""
    return as_sentence(retold(refusal.detail))


def cure_of(code: str) -> str:
    """What to do. Total."""
    return gettext(_CURES[code]) if code in _CURES else cures.cure_of(code)
