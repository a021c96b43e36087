"""The abstract class every imitated provider implements. Server, customers, callbacks and faults know a
provider only by it."""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec
from aiohttp import web

from providers.sandbox.console import ConsoleAct
from providers.sandbox.ledger import Order
from providers.statements import LineKind


class CallbackRequest(msgspec.Struct, frozen=True):
    """One attempt to deliver a callback."""

    headers: Mapping[str, str]
    body: bytes


class Line(msgspec.Struct, frozen=True):
    """What the payment page shows of a cart line. ``amount``: minor units."""

    title: str
    amount: int


class Imitation(ABC):
    """One provider, imitated for one merchant.

    Its orders are in the shared ledger, under its ``name``, in the ledger's terms (:class:`~providers.sandbox.ledger.Order`);
    every change is on disk, with its callbacks, before a method returns (:class:`~providers.sandbox.changes.Changes`).
    """

    #: The provider's name in our API and books; its routes begin with ``/<name>/``.
    name: ClassVar[str]
    #: The path that the provider, or the merchant in its console, appends to our ``/webhooks/<name>``.
    callback_path: ClassVar[str] = ""
    #: Kind of a movement → its type in the console's registers; empty where lists serve as statements.
    register_types: ClassVar[Mapping[LineKind, str]] = {}
    #: How long an idempotency key is remembered, as documented, seconds; ``None``: as long as the order.
    idempotency_s: ClassVar[float | None] = None

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """The provider's API, and its own settings below ``/_sandbox/``."""

    @abstractmethod
    def pay(self, order: Order) -> bool:
        """The customer pays; whether the order could be paid."""

    @abstractmethod
    def decline(self, order: Order, reason: str | None) -> bool:
        """The customer's bank declines, with the provider's code; whether the order could be paid."""

    @abstractmethod
    def abandon_checkout(self, order: Order) -> bool:
        """The customer closes the page. They may return and pay."""

    @abstractmethod
    def act_in_console(self, order: Order, act: ConsoleAct) -> bool:
        """The staff acts in the provider's console, or the provider revises itself; whether the order allowed it."""

    @abstractmethod
    def callback(self, payload: bytes) -> CallbackRequest:
        """A callback's headers and body, signed again for each attempt."""

    @abstractmethod
    def failure(self, status: int, reason: str, retry_s: int | None = None) -> web.Response:
        """A fault in the provider's own envelope: 500, 401 for a key that is not known, or 429 with the time to wait, seconds."""

    @abstractmethod
    def lines(self, order: Order) -> Sequence[Line]:
        """The cart as the payment page shows it."""

    def acknowledges(self, status: int, body: bytes) -> bool:  # noqa: ARG002
        """Whether the merchant's answer to a callback ends its delivery."""
        return status == web.HTTPOk.status_code

    def expire(self, order: Order) -> bool:  # noqa: ARG002
        """End the time of an unpaid or held order at once; whether the order ended."""
        return False

    def new_order_id(self) -> str:
        """An id for an order that the merchant never asked for."""
        return str(uuid.uuid4())

    def resume(self) -> None:
        """Resume what a former process left open. Called once, inside the event loop."""


def is_payable(order: Order) -> bool:
    """Whether a customer can still pay."""
    return order.status == "PENDING" and not order.blocked and time.time() < order.expires
