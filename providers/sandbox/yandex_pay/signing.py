"""The webhook's token: a compact ES256 JWT, its times of validity in the JOSE header, as Yandex Pay makes it."""

import time
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from providers.sandbox.ledger import ProviderLedger

ALGORITHM: Final = "ES256"
#: The documents' sample is valid for five minutes.
VALIDITY_S: Final = 300
_KEY: Final = "yandex-pay/key"


class Signer:
    """Signs with one key. ``validity_s``: how long a token is valid, seconds."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, validity_s: int = VALIDITY_S) -> None:
        self._key = key
        self._validity_s = validity_s
        self._kid = f"sandbox-{self._key.public_key().public_numbers().x % 0xFFFFFFFF:08x}"
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM])

    @property
    def jwks(self) -> dict[str, Any]:
        """The public key, as published."""
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self._kid, "alg": ALGORITHM, "use": "sig"}]}

    def sign(self, payload: bytes) -> bytes:
        """A new token around an event."""
        now = int(time.time())
        headers = {"kid": self._kid, "iat": now, "exp": now + self._validity_s, "typ": "JWT"}
        return self._jws.encode(payload, self._key, ALGORITHM, headers).encode()


def signing_key(ledger: ProviderLedger) -> ec.EllipticCurvePrivateKey:
    """The sandbox' key, the same across restarts."""
    stored = ledger.recall(_KEY)
    if stored is None:
        key = ec.generate_private_key(ec.SECP256R1())
        stored = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        ledger.remember(_KEY, stored)
    loaded = serialization.load_pem_private_key(stored, None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return loaded
