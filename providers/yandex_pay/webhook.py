"""Yandex Pay's webhook: a compact ES256 JWT as the whole body.

The times of validity, ``iat`` and ``exp``, sit in the JOSE header, where JWT libraries do not look. A delivery that
is repeated comes with a new token, and there is no event id: the same event is known by its content.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import aiohttp
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric import ec

from billing.errors import InvalidMessage
from billing.messages import Observation
from providers.base import CallbackRejected, ParsedCallback, VerifiedCallback
from providers.yandex_pay import answers

log = structlog.get_logger(__name__)

ALGORITHM: Final = "ES256"
#: Clocks differ, seconds.
LEEWAY_S: Final = 30
#: How long fetched keys are believed, and the shortest time between two fetches, whoever asks, seconds.
KEYS_TTL_S: Final = 3600.0
KEYS_PAUSE_S: Final = 10.0
RESPONSE: Final = b'{"status":"success"}'
FORBIDDEN: Final = 403
UNAVAILABLE: Final = 503


class _Order(msgspec.Struct, rename="camel"):
    order_id: str
    payment_status: str | None = None


class _Operation(msgspec.Struct, rename="camel"):
    operation_id: str
    operation_type: str
    order_id: str
    status: str
    external_operation_id: str | None = None


class _Subscription(msgspec.Struct, rename="camel"):
    customer_subscription_id: str
    status: str


class _Event(msgspec.Struct, rename="camel"):
    event: str
    event_time: datetime
    merchant_id: str
    order: _Order | None = None
    operation: _Operation | None = None
    subscription: _Subscription | None = None


_events = msgspec.json.Decoder(_Event)


class WebhookVerifier:
    """Checks tokens against the provider's published keys. ``clock`` and ``now`` in seconds (monotonic, Unix)."""

    def __init__(
        self,
        jwks_url: str,
        merchant_id: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.session: aiohttp.ClientSession | None = None
        self._jwks_url = jwks_url
        self._merchant_id = merchant_id
        self._clock = clock
        self._now = now
        self._keys: dict[str, Any] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM])

    async def verify(self, body: bytes) -> VerifiedCallback:
        """Signature, algorithm, times, merchant, in this order. Raises :class:`CallbackRejected`."""
        try:
            header = self._jws.get_unverified_header(body)
        except jwt.InvalidTokenError:
            raise _forbidden("not a token") from None
        if header.get("alg") != ALGORITHM:
            raise _forbidden("the algorithm is not ES256")
        key = await self._key(str(header.get("kid", "")))
        try:
            payload: bytes = self._jws.decode(body, key, algorithms=[ALGORITHM])
        except (jwt.InvalidTokenError, jwt.InvalidKeyError):
            raise _forbidden("the signature does not match") from None
        self._check_header(header)
        try:
            event = _events.decode(payload)
        except msgspec.MsgspecError:
            raise _forbidden("the payload cannot be read") from None
        if event.merchant_id != self._merchant_id:
            raise _forbidden("another merchant's event")
        return VerifiedCallback(_order_ref(event), RESPONSE)

    def _check_header(self, header: Mapping[str, Any]) -> None:
        if str(header.get("typ", "JWT")).upper() != "JWT":
            raise _forbidden("the type is not JWT")
        issued, expires, now = header.get("iat"), header.get("exp"), self._now()
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            raise _forbidden("iat or exp is missing")
        if issued > now + LEEWAY_S:
            raise _forbidden("issued in the future")
        if expires < now - LEEWAY_S:
            raise _forbidden("expired")

    async def _key(self, kid: str) -> Any:
        if not self._is_fresh() or kid not in self._keys:
            async with self._lock:
                if not self._is_fresh() or kid not in self._keys:
                    await self._fetch()
        if kid in self._keys:
            return self._keys[kid]
        if self._fetched_at is None:
            # Without any key nothing can be judged: the provider shall come back.
            raise CallbackRejected(UNAVAILABLE, _failure("UNAVAILABLE", "keys are not available"), "no keys yet")
        raise _forbidden("unknown key")

    def _is_fresh(self) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < KEYS_TTL_S

    async def _fetch(self) -> None:
        """Get the keys, at most once in a while: a flood of unknown kids must not become a flood of fetches."""
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < KEYS_PAUSE_S:
            return
        self._tried_at = now
        assert self.session is not None, "start() comes first"
        try:
            async with self.session.get(self._jwks_url) as response:
                response.raise_for_status()
                published = msgspec.json.decode(await response.read(), type=dict[str, Any])
                keys = jwt.PyJWKSet.from_dict(published).keys
        except (aiohttp.ClientError, OSError, TimeoutError, jwt.PyJWKSetError, msgspec.MsgspecError) as error:
            log.warning("yandex pay's keys cannot be fetched", error=repr(error))
            return
        # A key of another kind cannot have signed with ES256, and would break the check instead of failing it.
        self._keys = {
            key.key_id: key.key
            for key in keys
            if key.key_id is not None and isinstance(key.key, ec.EllipticCurvePublicKey)
        }
        self._fetched_at = now


def parse(body: bytes) -> ParsedCallback:
    """Read a verified token. Raises :class:`InvalidMessage`."""
    try:
        payload = jwt.PyJWS().decode_complete(body, options={"verify_signature": False})["payload"]
        event = _events.decode(payload)
    except (jwt.InvalidTokenError, msgspec.MsgspecError) as error:
        raise InvalidMessage(f"not a Yandex Pay event: {error}") from error
    if event.order is not None:
        order = event.order
        return ParsedCallback(
            references=(order.order_id,),
            dedupe=f"{event.event}/{order.order_id}/{order.payment_status}",
            observed=Observation(answers.status_of(order.payment_status), occurred_at=event.event_time),
        )
    if event.operation is not None:
        operation = event.operation
        observed = answers.operation_of(
            operation.operation_type, operation.status, operation.operation_id, operation.external_operation_id
        )
        references = (operation.order_id, operation.external_operation_id)
        return ParsedCallback(
            references=tuple(reference for reference in references if reference),
            dedupe=f"{event.event}/{operation.operation_id}/{operation.status}",
            observed=Observation(operations=(observed,) if observed else (), occurred_at=event.event_time),
        )
    raise InvalidMessage(f"a Yandex Pay event without an order: {event.event}")


def _order_ref(event: _Event) -> str:
    if event.order is not None:
        return event.order.order_id
    if event.operation is not None:
        return event.operation.order_id
    if event.subscription is not None:
        return event.subscription.customer_subscription_id
    return event.event


def _forbidden(reason: str) -> CallbackRejected:
    return CallbackRejected(FORBIDDEN, _failure("FORBIDDEN", reason), reason)


def _failure(code: str, reason: str) -> bytes:
    return msgspec.json.encode({"status": "fail", "reasonCode": code, "reason": reason})
