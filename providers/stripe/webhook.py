"""Stripe's webhook: JSON events, signed in the header ``Stripe-Signature``.

``t=<Unix seconds>,v1=<hex>``, where v1 is HMAC-SHA256 of ``<t>.<raw body>`` under the endpoint's secret. While a secret
is being replaced there are several signatures and several secrets, and one match is enough; schemes other than v1 are
ignored.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from billing.errors import InvalidMessage
from billing.messages import Observation
from providers.base import CallbackRejected, CallbackVerifier, ParsedCallback, VerifiedCallback
from providers.stripe import requests, responses
from providers.stripe.objects import Charge, PaymentIntent, Refund, Session

SIGNATURE: Final = "stripe-signature"
SCHEME: Final = "v1"
#: Maximum age of a signature, seconds, as in Stripe's own libraries.
TOLERANCE_S: Final = 300
BAD_REQUEST: Final = 400
RESPONSE: Final = b'{"received":true}'

#: The events to subscribe to. The others add nothing.
EVENTS: Final = (
    "checkout.session.completed",
    "checkout.session.expired",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
)


class _Data(msgspec.Struct):
    object: msgspec.Raw


class _Event(msgspec.Struct):
    id: str
    type: str
    data: _Data


_events = msgspec.json.Decoder(_Event)


class WebhookVerifier(CallbackVerifier):
    """Checks signatures against every secret in force. ``now``: Unix seconds."""

    def __init__(self, secrets: Sequence[str], now: Callable[[], float] = time.time) -> None:
        self._secrets = [secret.encode() for secret in secrets if secret]
        self._now = now

    async def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,
        peer: str | None = None,  # noqa: ARG002
    ) -> VerifiedCallback:
        """Raises :class:`CallbackRejected` with 400."""
        at, signatures = _read(headers.get(SIGNATURE))
        expected = [hmac.new(secret, b"%d." % at + body, hashlib.sha256).digest() for secret in self._secrets]
        # Every pair is compared, so that the time does not depend on which one matches.
        if not sum(hmac.compare_digest(mine, theirs) for mine in expected for theirs in signatures):
            raise _rejected("no signature matches")
        if abs(self._now() - at) > TOLERANCE_S:
            raise _rejected("signed too long ago, or in the future")
        try:
            event = _events.decode(body)
            references = _parsed(event).references
        except msgspec.MsgspecError:
            raise _rejected("not an event") from None
        except InvalidMessage:
            references = ()  # stored all the same: the worker that reads it reports it
        return VerifiedCallback(references[0] if references else event.id, RESPONSE)


def parse(body: bytes) -> ParsedCallback:
    """Read a verified event. Raises :class:`InvalidMessage`, also for one that we did not subscribe to."""
    try:
        event = _events.decode(body)
        return _parsed(event)
    except msgspec.MsgspecError as error:
        raise InvalidMessage(f"not a Stripe event: {error}") from error


def _parsed(event: _Event) -> ParsedCallback:
    raw = event.data.object
    if event.type not in EVENTS:
        raise InvalidMessage(f"an event that we did not subscribe to: {event.type}")
    if event.type.startswith("payment_intent."):
        intent = msgspec.json.decode(raw, type=PaymentIntent)
        observed = responses.observation(None, intent, ())
        return _callback(event, (intent.metadata.get(requests.OPERATION), intent.id), observed)
    if event.type.startswith("checkout.session."):
        session = msgspec.json.decode(raw, type=Session)
        # A completed session does not show whether money is held or captured; the event of its PaymentIntent does.
        is_expired = session.status == "expired"
        observed = responses.observation(session, None, ()) if is_expired else Observation(order_ref=session.id)
        return _callback(event, (session.client_reference_id, session.id), observed)
    if event.type.startswith(("refund.", "charge.refund.")):
        refund = msgspec.json.decode(raw, type=Refund)
        observed = Observation(operations=(responses.observed_refund(refund),))
        return _callback(event, (refund.metadata.get(requests.OPERATION), refund.payment_intent), observed)
    charge = msgspec.json.decode(raw, type=Charge)
    # Refunded, perhaps not by us, and perhaps not finally: the refunds have to be queried.
    return _callback(event, (charge.metadata.get(requests.OPERATION), charge.payment_intent), Observation(), ask=True)


def _callback(
    event: _Event, references: Sequence[str | None], observed: Observation, *, ask: bool = False
) -> ParsedCallback:
    return ParsedCallback(
        references=tuple(reference for reference in references if reference),
        dedupe=event.id,
        observed=observed,
        ask=ask,
    )


def _read(header: str | None) -> tuple[int, list[bytes]]:
    at: int | None = None
    signatures: list[bytes] = []
    for part in (header or "").split(","):
        name, _, value = part.strip().partition("=")
        try:
            if name == "t":
                at = int(value)
            elif name == SCHEME:
                signatures.append(bytes.fromhex(value))
        except ValueError:
            raise _rejected("the signature cannot be read") from None
    if at is None or at < 0 or not signatures:
        raise _rejected("not signed")
    return at, signatures


def _rejected(reason: str) -> CallbackRejected:
    return CallbackRejected(BAD_REQUEST, msgspec.json.encode({"error": reason}), reason)
