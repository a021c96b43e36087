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
from providers.reading import read_json
from providers.stripe import requests, responses
from providers.stripe.objects import Charge, PaymentIntent, Refund, Session, UnixSeconds, id_of, moment

SIGNATURE: Final = "stripe-signature"
SCHEME: Final = "v1"
#: Maximum age of a signature, seconds, as in Stripe's own libraries.
TOLERANCE_S: Final = 300
BAD_REQUEST: Final = 400
RESPONSE: Final = b'{"received":true}'
#: ``object`` of an event of API v1, the one whose events carry what they are about.
OBJECT: Final = "event"

#: The events to subscribe to. The others add nothing.
EVENTS: Final = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
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
    """``created``: when it happened; ``livemode`` and ``account``: from which mode, and which connected account, it
    is."""

    id: str
    type: str
    data: _Data
    created: UnixSeconds | None = None
    livemode: bool | None = None
    account: str | None = None


class _AnyEvent(msgspec.Struct):
    """What events of all kinds have; those of API v2 (thin events) have no ``data``."""

    id: str
    type: str
    object: str = "event"


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
            event = read_json(body, _AnyEvent)
        except msgspec.MsgspecError as error:
            raise _rejected(f"not an event: {error}") from None
        try:
            references = parse(body).references
        except InvalidMessage:
            references = ()  # stored all the same: the worker that reads it reports it
        return VerifiedCallback(references[0] if references else event.id, RESPONSE)


def parse(body: bytes, *, live: bool | None = None) -> ParsedCallback:
    """Read a verified event. Raises :class:`InvalidMessage`, also for one that we did not subscribe to, and for one of
    another mode than ours (``live``; ``None``: either) or of a connected account."""
    try:
        kind = read_json(body, _AnyEvent)
        if kind.object != OBJECT or kind.type not in EVENTS:
            raise InvalidMessage(f"an event that we did not subscribe to: {kind.type!r}")
        event = read_json(body, _Event)
        if None not in (live, event.livemode) and event.livemode is not live:
            raise InvalidMessage(
                f"an event of {_mode(event.livemode)} mode, our key is of {_mode(live)} mode: {kind.type!r}"
            )
        if event.account is not None:
            raise InvalidMessage(f"an event of the connected account {event.account!r}: {kind.type!r}")
        return _parsed(event)
    except msgspec.MsgspecError as error:
        raise InvalidMessage(f"not a Stripe event: {error}") from error


def _mode(live: bool | None) -> str:
    return "live" if live else "test"


def _parsed(event: _Event) -> ParsedCallback:
    raw = event.data.object
    if event.type.startswith("payment_intent."):
        intent = read_json(raw, PaymentIntent)
        observed = responses.observation(None, intent, None)
        return _callback(event, (intent.named(requests.OPERATION), intent.id), observed)
    if event.type.startswith("checkout.session."):
        session = read_json(raw, Session)
        # A completed session does not show whether money is held or captured; the event of its PaymentIntent does.
        is_expired = session.status == "expired"
        observed = responses.observation(session, None, ()) if is_expired else Observation(order_ref=session.id)
        # What a slow method came to is in the PaymentIntent.
        ask = event.type.startswith("checkout.session.async_payment_")
        return _callback(event, (session.client_reference_id, session.id), Observation() if ask else observed, ask=ask)
    if event.type.startswith(("refund.", "charge.refund.")):
        refund = read_json(raw, Refund)
        ours = refund.named(requests.OPERATION)
        # One that is not ours was made in the dashboard, or of what a partial capture released: Stripe sends those to an
        # endpoint with an API version before 2025-03-31.basil.
        observed = Observation() if ours is None else Observation(operations=(responses.observed_refund(refund),))
        return _callback(event, (ours, id_of(refund.payment_intent)), observed, ask=ours is None)
    charge = read_json(raw, Charge)
    # Refunded, perhaps not by us, and perhaps not finally: the refunds have to be queried.
    return _callback(event, (charge.named(requests.OPERATION), id_of(charge.payment_intent)), Observation(), ask=True)


def _callback(
    event: _Event, references: Sequence[str | None], observed: Observation, *, ask: bool = False
) -> ParsedCallback:
    return ParsedCallback(
        references=tuple(reference for reference in references if reference),
        dedupe=event.id,
        observed=msgspec.structs.replace(observed, at=moment(event.created)),
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
