"""Yandex Pay's webhook: a compact ES256 JWT as the whole body.

The validity, ``iat`` and ``exp``, is in the JOSE header, which JWT libraries do not check. A repeated delivery has a new
token, and there is no event id: an event is identified by its content.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import jwt
import msgspec

from billing.errors import InvalidMessage
from billing.messages import Observation
from billing.vocabulary import PaymentStatus
from providers.base import CallbackRejected, CallbackVerifier, ParsedCallback, VerifiedCallback
from providers.reading import read_json
from providers.yandex_pay import responses
from providers.yandex_pay.keys import Keys, KeysUnavailable

ALGORITHM: Final = "ES256"
#: Tolerance for clocks that differ, seconds.
LEEWAY_S: Final = 30
#: How long a token without ``exp`` is valid, seconds: the document's sample has none, and its other tokens are valid for
#: as long.
VALID_S: Final = 21_600
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


class _Addressed(msgspec.Struct, rename="camel"):
    merchant_id: str


class WebhookVerifier(CallbackVerifier):
    """Checks tokens against the provider's published keys. ``now``: Unix seconds."""

    def __init__(self, keys: Keys, merchant_id: str, now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._merchant_id = merchant_id
        self._now = now
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM])

    async def start(self) -> None:
        await self._keys.start()

    async def close(self) -> None:
        await self._keys.close()

    async def verify(
        self,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes,
        peer: str | None = None,  # noqa: ARG002
    ) -> VerifiedCallback:
        """Algorithm and signature, then type and times, then the merchant. Raises :class:`CallbackRejected`: 403 as
        the document requires; 503 when the keys cannot be fetched, so that the provider retries."""
        header, payload = await self._check_signature(body)
        self._check_header(header)
        try:
            merchant_id = read_json(payload, _Addressed).merchant_id
        except msgspec.MsgspecError:
            raise _forbidden("the payload names no merchant") from None
        if merchant_id != self._merchant_id:
            raise _forbidden("another merchant's event")
        try:
            return VerifiedCallback(_order_ref(read_json(payload, _Event)), RESPONSE)
        except msgspec.MsgspecError:
            return VerifiedCallback("", RESPONSE)

    async def _check_signature(self, body: bytes) -> tuple[dict[str, Any], bytes]:
        token = body.strip()
        try:
            # The first part of a token is enough to choose the key; the library reads the rest when it verifies.
            header = read_json(jwt.utils.base64url_decode(token.partition(b".")[0]), dict[str, Any])
        except (ValueError, msgspec.MsgspecError):
            raise _forbidden("not a token") from None
        if header.get("alg") != ALGORITHM:
            raise _forbidden("the algorithm is not ES256")
        try:
            key = await self._keys.find(str(header.get("kid", "")))
        except KeysUnavailable:
            reason = "the keys are not available"
            raise CallbackRejected(UNAVAILABLE, _failure("OTHER", reason), reason) from None
        if key is None:
            raise _forbidden("unknown key")
        try:
            payload: bytes = self._jws.decode(token, key, algorithms=[ALGORITHM])
        except (jwt.InvalidTokenError, RecursionError):
            raise _forbidden("the signature does not match") from None
        return header, payload

    def _check_header(self, header: Mapping[str, Any]) -> None:
        if str(header.get("typ", "JWT")).upper() != "JWT":
            raise _forbidden("the type is not JWT")
        issued, now = _seconds(header, "iat"), self._now()
        if issued is None:
            raise _forbidden("iat is missing")
        expires = _seconds(header, "exp")
        if not issued <= now + LEEWAY_S:
            raise _forbidden("issued in the future")
        if not (issued + VALID_S if expires is None else expires) >= now - LEEWAY_S:
            raise _forbidden("expired")


def _seconds(header: Mapping[str, Any], name: str) -> float | None:
    """A time of the header (Unix seconds): the contract writes it as text, the sample token as a number. ``None`` where
    it is missing. Raises :class:`CallbackRejected` for anything else."""
    value = header.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise _forbidden(f"{name} is not a time")


def parse(body: bytes) -> ParsedCallback:
    """Read a verified token. Raises :class:`InvalidMessage`."""
    try:
        event = read_json(_payload(body), _Event)
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidMessage(f"not a Yandex Pay event: {error}") from error
    if event.order is not None:
        order = event.order
        status = responses.status_of(order.payment_status)
        saved = responses.saved_method(order.order_id, status)
        # The event lacks the reason of a failure; the order has it.
        ask = status is PaymentStatus.FAILED
        observation = Observation() if ask else Observation(status, method_ref=saved, at=event.event_time)
        dedupe = f"{event.event}/{order.order_id}/{order.payment_status}"
        return ParsedCallback((order.order_id,), dedupe, observation, ask)
    if event.operation is not None:
        operation = event.operation
        observed = responses.operation_of(
            operation.operation_type, operation.status, operation.operation_id, operation.external_operation_id
        )
        references = (operation.order_id, operation.external_operation_id)
        return ParsedCallback(
            references=tuple(reference for reference in references if reference),
            dedupe=f"{event.event}/{operation.operation_id}/{operation.status}",
            observed=Observation(operations=(observed,) if observed else (), at=event.event_time),
        )
    if event.subscription is not None:
        # It names no order of ours, and a charge shows by itself whether its method still works.
        return ParsedCallback((), f"{event.event}/{event.subscription.customer_subscription_id}")
    raise InvalidMessage(f"a Yandex Pay event without an order: {event.event!r}")


def _payload(body: bytes) -> bytes:
    """The middle part of a compact token, unchecked."""
    _, payload, _ = body.strip().split(b".")
    return jwt.utils.base64url_decode(payload)


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
