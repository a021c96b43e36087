"""T-Bank's notifications: JSON with a token among its fields, acknowledged by the text ``OK``.

They come in any order, AUTHORIZED and CONFIRMED of a one-stage payment at the same time, and are repeated every hour,
then every day, until they are acknowledged.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from billing.errors import InvalidMessage
from billing.messages import Observation
from providers.base import CallbackRejected, CallbackVerifier, ParsedCallback, VerifiedCallback
from providers.reading import last_digits, read_json
from providers.tbank import responses
from providers.tbank.tokens import is_signed

RESPONSE: Final = b"OK"
RESPONSE_TYPE: Final = "text/plain"
FORBIDDEN: Final = 403


#: Status of a notification about a fiscal receipt: nothing happened to the payment.
RECEIPT: Final = "RECEIPT"


class _Notification(msgspec.Struct, rename="pascal"):
    order_id: str
    payment_id: str | int
    status: str
    error_code: str = responses.FINE
    amount: int | None = None
    rebill_id: str | int | None = None
    pan: str | None = None
    exp_date: str | None = None
    message: str | None = None
    details: str | None = None


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
            fields = read_json(body, dict[str, Any])
        except msgspec.MsgspecError:
            raise _forbidden("not a notification") from None
        if not self._password or not is_signed(fields, self._password):
            raise _forbidden("the token is wrong")
        if fields.get("TerminalKey") != self._terminal_key:
            raise _forbidden("another terminal's notification")
        order_id = fields.get("OrderId")
        return VerifiedCallback(order_id if isinstance(order_id, str) else "", RESPONSE, RESPONSE_TYPE)


def parse(body: bytes) -> ParsedCallback:
    """Read a verified notification. Raises :class:`InvalidMessage`."""
    try:
        fields = read_json(body, dict[str, Any])
        if "OrderId" not in fields and (kind := _kind_of(fields)) is not None:
            raise InvalidMessage(f"a T-Bank notification without a payment: {kind!r}")
        notification = msgspec.convert(fields, _Notification)
    except msgspec.MsgspecError as error:
        raise InvalidMessage(f"not a notification of T-Bank about a payment: {error}") from error
    if notification.status == RECEIPT:
        return ParsedCallback((), f"{notification.payment_id}/{RECEIPT}")
    # What is left after a partial refund does not show what this one came to.
    ask = notification.status == responses.PARTLY_REFUNDED
    observed = msgspec.structs.replace(
        Observation()
        if ask
        else responses.observation(
            notification.status,
            notification.error_code,
            notification.amount,
            notification.message,
            notification.details,
        ),
        method_ref=None if notification.rebill_id is None else str(notification.rebill_id),
        method_title=None if notification.rebill_id is None else _title(notification.pan),
        method_expires=None if notification.rebill_id is None else _expires(notification.exp_date),
        order_ref=str(notification.payment_id),
        method_last4=last_digits(notification.pan),
    )
    return ParsedCallback(
        references=(notification.order_id, str(notification.payment_id)),
        dedupe=f"{notification.payment_id}/{notification.status}/{notification.amount}",
        observed=observed,
        ask=ask,
    )


def _kind_of(fields: Mapping[str, Any]) -> str | None:
    """The kind of a notification that is not about a payment, in T-Bank's words; ``None`` for an unknown kind."""
    if "NotificationType" in fields:
        return str(fields["NotificationType"])
    return "AddCard" if "CustomerKey" in fields and "RequestKey" in fields else None


def _forbidden(reason: str) -> CallbackRejected:
    return CallbackRejected(FORBIDDEN, msgspec.json.encode({"error": reason}), reason)


def _title(pan: str | None) -> str | None:
    """The last digits of a masked card number, as ``430000******0777``."""
    digits = last_digits(pan)
    return None if digits is None else f"Card *{digits}"


def _expires(month: str | None) -> str | None:
    """The last month of a card, from ``MMYY``."""
    if month is None or len(month) != len("MMYY") or not month.isdecimal():
        return None
    return f"20{month[2:]}-{month[:2]}"
