"""Why providers decline, in one vocabulary for all of them."""

from enum import StrEnum
from typing import Final


class Retry(StrEnum):
    """What helps after a decline."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"
    CUSTOMER = "customer"
    """Only the customer can help: another card, a 3-D Secure step, a call to the bank."""


#: Decline reason → what helps.
REASONS: Final[dict[str, Retry]] = {
    "3d_secure_failed": Retry.CUSTOMER,
    "amount_too_small": Retry.NEVER,
    "authentication_required": Retry.CUSTOMER,
    "call_issuer": Retry.CUSTOMER,
    "card_expired": Retry.CUSTOMER,
    "declined": Retry.CUSTOMER,
    "expired": Retry.CUSTOMER,
    "fraud_suspected": Retry.NEVER,
    "insufficient_funds": Retry.LATER,
    "invalid_card": Retry.CUSTOMER,
    "invalid_request": Retry.NEVER,
    "invalid_state": Retry.NEVER,
    "issuer_unavailable": Retry.LATER,
    "limit_exceeded": Retry.LATER,
    "merchant_balance": Retry.LATER,
    "method_revoked": Retry.CUSTOMER,
    "order_not_found": Retry.NEVER,
    "unsupported": Retry.NEVER,
    "unsupported_currency": Retry.NEVER,
    "unsupported_tax": Retry.NEVER,
}


def is_retryable(reason: str) -> bool:
    """Whether the same request may succeed without the customer."""
    return REASONS.get(reason, Retry.NEVER) in (Retry.NOW, Retry.LATER)
