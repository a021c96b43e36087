"""How Stripe signs its events: ``t=<Unix seconds>,v1=<HMAC-SHA256 of "t.body">``, one v1 for each secret in force."""

import hashlib
import hmac
from collections.abc import Sequence


def signature(secrets: Sequence[str], body: bytes, now: float) -> str:
    """The header for a body sent now (Unix seconds)."""
    at = int(now)
    signed = [hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={hex}" for hex in signed)])
