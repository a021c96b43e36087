"""Saved methods, Stripe's test cards, and the bank's answer to a charge."""

from typing import Any, Final

import msgspec

from providers.sandbox.faults import DECLINE, METHOD_REVOKED, Faults
from providers.sandbox.ledger import Order, ProviderLedger
from providers.sandbox.stripe.parameters import Refused, invalid
from providers.sandbox.stripe.requests import PROVIDER

#: Codes of a card error that are no decline of the bank.
OWN_CODES: Final = frozenset({"authentication_required", "expired_card", "incorrect_cvc", "processing_error"})
REVOKED: Final = "revocation_of_authorization"
#: Stripe's names of cards for testing → why they are declined.
TEST_CARDS: Final[dict[str, str | None]] = {
    "pm_card_visa": None,
    "pm_card_mastercard": None,
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_authenticationRequired": "authentication_required",
}


class Methods:
    """The methods of one account's customers, in the ledger."""

    def __init__(self, ledger: ProviderLedger, faults: Faults) -> None:
        self._ledger = ledger
        self._faults = faults

    def save(self, order: Order, seed: str) -> None:
        """Keep the method that an order was paid with. ``seed``: of their names."""
        customer, method = f"cus_{seed}", f"pm_{seed}"
        order.details |= {"customer": customer, "payment_method": method}
        self._ledger.remember(f"{PROVIDER}/{method}", msgspec.json.encode(customer))

    def verdict(self, order: Order, *, off_session: bool) -> str | None:
        """Why the bank declines to charge an order's method; ``None``: it does not. Raises :class:`Refused` for a
        method that is not there, or is another customer's."""
        method = str(order.details.get("payment_method", ""))
        if method in TEST_CARDS:
            return TEST_CARDS[method]
        stored = self._ledger.recall(f"{PROVIDER}/{method}")
        if stored is None or msgspec.json.decode(stored) != order.details.get("customer"):
            raise invalid(f"No such PaymentMethod: '{method}'", "payment_method", "resource_missing")
        if not off_session:
            return None
        fault = self._faults.of_charge(PROVIDER, f"{order.details['customer']}/{method}")
        if fault is None:
            return None
        return REVOKED if fault.fault == METHOD_REVOKED else fault.fault.removeprefix(DECLINE)


def card_error(reason: str) -> dict[str, str]:
    """A decline as errors and ``last_payment_error`` show it."""
    if reason in OWN_CODES:
        code = {"code": reason} | ({"decline_code": reason} if reason == "authentication_required" else {})
    else:
        code = {"code": "card_declined", "decline_code": reason}
    return {"type": "card_error", "message": "Your card was declined.", **code}


def declined(reason: str, **more: Any) -> Refused:
    """402, and why. The answer is kept: a repeat is declined too."""
    error = card_error(reason)
    more["decline_code"] = error.get("decline_code")
    return Refused(402, error["type"], error["message"], error["code"], **more)
