"""T-Bank's notifications: JSON with a token among its fields, acknowledged by the text ``OK``.

They come in any order, AUTHORIZED and CONFIRMED of a one-stage payment at the same time, and are repeated every hour,
then every day, until they are acknowledged.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from billing.errors import InvalidMessage
from providers.base import CallbackRejected, CallbackVerifier, ParsedCallback, VerifiedCallback
from providers.tbank import responses
from providers.tbank.tokens import is_signed

RESPONSE: Final = b"OK"
RESPONSE_TYPE: Final = "text/plain"
FORBIDDEN: Final = 403


class _Notification(msgspec.Struct, rename="pascal"):
    terminal_key: str
    order_id: str
    payment_id: str | int
    status: str
    error_code: str = responses.FINE
    amount: int | None = None
    rebill_id: str | int | None = None


_notifications = msgspec.json.Decoder(_Notification)


class WebhookVerifier(CallbackVerifier):
    """Checks the token and the terminal."""

    def __init__(self, terminal_key: str, password: str) -> None:
        self._terminal_key = terminal_key
        self._password = password

    async def verify(
        self,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes,
        peer: str | None = None,  # noqa: ARG002
    ) -> VerifiedCallback:
        """Raises :class:`CallbackRejected` with 403."""
        try:
            fields: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
            notification = _notifications.decode(body)
        except msgspec.MsgspecError:
            raise _forbidden("not a notification") from None
        if not self._password or not is_signed(fields, self._password):
            raise _forbidden("the token is wrong")
        if notification.terminal_key != self._terminal_key:
            raise _forbidden("another terminal's notification")
        return VerifiedCallback(notification.order_id, RESPONSE, RESPONSE_TYPE)


def parse(body: bytes) -> ParsedCallback:
    """Read a verified notification. Raises :class:`InvalidMessage`."""
    try:
        notification = _notifications.decode(body)
    except msgspec.MsgspecError as error:
        raise InvalidMessage(f"not a T-Bank notification: {error}") from error
    observed = msgspec.structs.replace(
        responses.observation(notification.status, notification.error_code),
        method_ref=None if notification.rebill_id is None else str(notification.rebill_id),
        order_ref=str(notification.payment_id),
    )
    return ParsedCallback(
        references=(notification.order_id, str(notification.payment_id)),
        dedupe=f"{notification.payment_id}/{notification.status}/{notification.amount}",
        observed=observed,
    )


def _forbidden(reason: str) -> CallbackRejected:
    return CallbackRejected(FORBIDDEN, msgspec.json.encode({"error": reason}), reason)
