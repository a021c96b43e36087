"""YooKassa's notifications: JSON without a signature.

The sender's address is checked, and that is not proof enough to move money: a notification says only that there is
news of a payment, and YooKassa's API is asked what. Any status but 200 brings it again, for 24 hours.
"""

from typing import Final, Literal

import msgspec

from billing.errors import InvalidMessage
from providers.base import CallbackRejected, ParsedCallback, VerifiedCallback
from providers.yookassa.addresses import Addresses
from providers.yookassa.requests import OPERATION

FORBIDDEN: Final = 403
BAD_REQUEST: Final = 400


class _Object(msgspec.Struct):
    id: str
    payment_id: str | None = None
    metadata: dict[str, str | None] | None = None


class _Notification(msgspec.Struct):
    type: Literal["notification"]
    event: str
    object: _Object


_notifications = msgspec.json.Decoder(_Notification)


def verify(body: bytes, peer: str | None, addresses: Addresses) -> VerifiedCallback:
    """The sender's address, then the shape. Raises :class:`CallbackRejected`."""
    if not addresses.has(peer):
        raise CallbackRejected(FORBIDDEN, b"{}", "the sender is not on the list")
    try:
        notification = _notifications.decode(body)
    except msgspec.MsgspecError:
        raise CallbackRejected(BAD_REQUEST, b"{}", "not a notification") from None
    return VerifiedCallback(notification.object.payment_id or notification.object.id, b"{}")


def parse(body: bytes) -> ParsedCallback:
    """Read a notification. Raises :class:`InvalidMessage`."""
    try:
        notification = _notifications.decode(body)
    except msgspec.MsgspecError as error:
        raise InvalidMessage(f"not a YooKassa notification: {error}") from error
    kind, about = notification.event.partition(".")[0], notification.object
    if kind not in ("payment", "refund"):
        raise InvalidMessage(f"a YooKassa notification without a payment: {notification.event}")
    # Our operation's id finds the payment before YooKassa's answer has told us its own.
    references = (about.payment_id if kind == "refund" else about.id, (about.metadata or {}).get(OPERATION))
    return ParsedCallback(
        references=tuple(reference for reference in references if reference),
        dedupe=f"{notification.event}/{about.id}",
        ask=True,
    )
