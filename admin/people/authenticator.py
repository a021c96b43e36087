"""The second factor: six digits of an authenticator (TOTP, RFC 6238)."""

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Final

import pyotp
import segno

#: Seconds of a time step. The clocks of phones may be one step off.
STEP_S: Final = 30
_SECRET_BYTES: Final = 20
ISSUER: Final = "Cinema billing"


def secret_of_link(token: str) -> bytes:
    """The secret that the page behind a link offers: the same each time the page is opened, known to no one else."""
    return hmac.new(token.encode(), b"authenticator", hashlib.sha256).digest()[:_SECRET_BYTES]


def step_of(secret: bytes, code: str, now: datetime) -> int | None:
    """The time step whose code this is; ``None`` for a wrong code."""
    digits = "".join(code.split())
    at = int(now.timestamp()) // STEP_S
    generator = pyotp.TOTP(shown(secret))
    steps = [step for step in (at - 1, at, at + 1) if hmac.compare_digest(generator.generate_otp(step), digits)]
    return steps[0] if steps else None


def shown(secret: bytes) -> str:
    """The secret as authenticators have it typed."""
    return base64.b32encode(secret).decode()


def picture(secret: bytes, email: str) -> str:
    """A QR code for the authenticator's camera, as SVG for a page."""
    url = pyotp.TOTP(shown(secret)).provisioning_uri(name=email, issuer_name=ISSUER)
    return segno.make(url, micro=False).svg_inline(scale=4, border=3, dark="#000", light="#fff", omitsize=True)
