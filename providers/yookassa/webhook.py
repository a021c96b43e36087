"""YooKassa's notifications: JSON without a signature.

The sender's address is checked, which is not proof enough to move money: a notification means only that a payment
changed, and YooKassa's API is queried, unless the books have all that it says already. Any status but 200 makes YooKassa repeat it, for 24 hours.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, Literal

import msgspec

from billing.errors import BillingError, InvalidMessage
from billing.messages import Observation
from providers.base import CallbackRejected, CallbackVerifier, ParsedCallback, VerifiedCallback
from providers.reading import check_texts, read_json
from providers.yookassa import responses
from providers.yookassa.requests import OPERATION

#: Who sends notifications, as published: https://yookassa.ru/developers/using-api/webhooks#ip
PUBLISHED: Final = (
    "185.71.76.0/27",
    "185.71.77.0/27",
    "77.75.153.0/25",
    "77.75.156.11",
    "77.75.156.35",
    "77.75.154.128/25",
    "2a02:5180::/32",
)
FORBIDDEN: Final = 403
BAD_REQUEST: Final = 400


class _Object(msgspec.Struct):
    id: str
    payment_id: str | None = None
    metadata: dict[str, Any] | None = None


class _Notification(msgspec.Struct):
    type: Literal["notification"]
    event: str
    object: _Object


class _AboutPayment(msgspec.Struct):
    object: responses.Payment


class _AboutRefund(msgspec.Struct):
    object: responses.Refund


class _AnyNotification(msgspec.Struct):
    type: Literal["notification"]


class WebhookVerifier(CallbackVerifier):
    """Checks the sender's address, then the shape. ``addresses``: addresses and networks; raises :class:`ValueError` for
    anything else."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(text) for text in addresses)

    async def verify(
        self,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes,
        peer: str | None = None,
    ) -> VerifiedCallback:
        """Raises :class:`CallbackRejected`."""
        if not self._is_known(peer):
            raise _rejected(FORBIDDEN, "the sender is not on the list")
        try:
            read_json(body, _AnyNotification)
        except msgspec.MsgspecError as error:
            raise _rejected(BAD_REQUEST, f"not a notification: {error}") from None
        try:
            about = read_json(body, _Notification).object
        except msgspec.MsgspecError:
            return VerifiedCallback("", b"{}")
        return VerifiedCallback(about.payment_id or about.id, b"{}")

    def _is_known(self, peer: str | None) -> bool:
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def parse(body: bytes) -> ParsedCallback:
    """Read a notification. Raises :class:`InvalidMessage`."""
    try:
        notification = read_json(body, _Notification)
    except msgspec.MsgspecError as error:
        raise InvalidMessage(f"not a YooKassa notification: {error}") from error
    kind, about = notification.event.partition(".")[0], notification.object
    if kind not in ("payment", "refund"):
        raise InvalidMessage(f"a YooKassa notification without a payment: {notification.event!r}")
    # Our operation's id identifies the payment before YooKassa's answer has brought its own.
    references = (about.payment_id if kind == "refund" else about.id, (about.metadata or {}).get(OPERATION))
    return ParsedCallback(
        references=tuple(reference for reference in references if reference and isinstance(reference, str)),
        dedupe=f"{notification.event}/{about.id}",
        ask=True,
        claimed=_claimed(kind, body),
    )


def _claimed(kind: str, body: bytes) -> Observation | None:
    """What the notification says of the payment; ``None`` where it cannot be read: it only decides whether to ask."""
    try:
        if kind == "refund":
            refund = read_json(body, _AboutRefund).object
            claimed = Observation(operations=(responses.observed_refund(refund),), currency=refund.amount.currency)
        else:
            claimed = responses.observation(read_json(body, _AboutPayment).object, ())
        check_texts(claimed)
    except (msgspec.MsgspecError, BillingError):
        return None
    return claimed


def _rejected(status: int, reason: str) -> CallbackRejected:
    return CallbackRejected(status, msgspec.json.encode({"error": reason}), reason)
