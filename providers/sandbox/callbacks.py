"""Delivers callbacks to the merchant: signed anew at each try, until they are acknowledged."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from providers.sandbox.book import Book, Delivery

log = structlog.get_logger(__name__)

#: Deliveries under way at once.
CONCURRENCY: Final = 64
#: The first pause between tries, as documented; it doubles from there.
FIRST_PAUSE_S: Final = 0.005
#: The documents' sample is valid for five minutes.
VALIDITY_S: Final = 300
TIMEOUT_S: Final = 10.0
_KEY: Final = "yandex-pay/key"


class Callbacks:
    """The queue of one merchant's callbacks. Undelivered ones survive a restart in the book."""

    def __init__(self, book: Book, url: str, merchant_id: str, pause_max_s: float) -> None:
        self._book = book
        self._url = f"{url.rstrip('/')}/v1/webhook"
        self._merchant_id = merchant_id
        self._pause_max_s = pause_max_s
        self._places = asyncio.Semaphore(CONCURRENCY)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._key, self._kid = _signing_key(book)
        self._jws = jwt.PyJWS(algorithms=["ES256"])

    @property
    def jwks(self) -> dict[str, Any]:
        """The public key, as published."""
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self._kid, "alg": "ES256", "use": "sig"}]}

    async def start(self) -> None:
        """Deliver what a former process left."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONCURRENCY),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        for delivery in self._book.undelivered():
            self.send(delivery)

    async def stop(self) -> None:
        """Stop; what is not delivered stays in the book."""
        for task in self._tasks:
            task.cancel()
        if self._session is not None:
            await self._session.close()

    def payload(self, event: str, **what: Any) -> bytes:
        """An event in the merchant API's words."""
        time_ = datetime.now(UTC).isoformat(timespec="milliseconds")
        return msgspec.json.encode({"event": event, "eventTime": time_, "merchantId": self._merchant_id, **what})

    def send(self, delivery: Delivery) -> None:
        """Start delivering."""
        task = asyncio.create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def deliver_once(self, delivery: Delivery) -> bool:
        """One try; whether it was acknowledged."""
        assert self._session is not None
        try:
            async with (
                self._places,
                self._session.post(
                    self._url, data=self.sign(delivery.payload), headers={"Content-Type": "application/octet-stream"}
                ) as response,
            ):
                await response.read()
                return response.status == 200  # noqa: PLR2004
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    def sign(self, payload: bytes) -> bytes:
        """A compact JWT with its times in the JOSE header, as Yandex does it."""
        now = int(time.time())
        headers = {"kid": self._kid, "iat": now, "exp": now + VALIDITY_S, "typ": "JWT"}
        return self._jws.encode(payload, self._key, "ES256", headers).encode()

    async def _deliver(self, delivery: Delivery) -> None:
        while True:
            await asyncio.sleep(max(0.0, delivery.due - time.time()))
            if await self.deliver_once(delivery):
                self._book.delivered(delivery)
                return
            pause = min(FIRST_PAUSE_S * 2**delivery.tries, self._pause_max_s)
            delivery.tries, delivery.due = delivery.tries + 1, time.time() + pause
            self._book.postpone(delivery)


def _signing_key(book: Book) -> tuple[ec.EllipticCurvePrivateKey, str]:
    stored = book.recall(_KEY)
    if stored is None:
        key = ec.generate_private_key(ec.SECP256R1())
        stored = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        book.remember(_KEY, stored)
    loaded = serialization.load_pem_private_key(stored, None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    point = loaded.public_key().public_numbers()
    return loaded, f"sandbox-{point.x % 0xFFFFFFFF:08x}"
