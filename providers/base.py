"""The abstract class every provider implements.

An adapter translates: a :class:`ProviderRequest` into the provider's HTTP, its answer into one of five outcomes,
its callbacks into observations. It holds no payment state and touches no storage.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

import msgspec

from billing.messages import Observation, ProviderRequest
from billing.vocabulary import Outcome


class CallResult(msgspec.Struct, frozen=True):
    """How a call ended.

    ``provider_ref``: the provider's id of the order or operation. ``reason``: a decline reason
    (:mod:`providers.declines`) or an error class. ``retryable``: only with DECLINED, a later attempt may succeed.
    ``observed``: what the answer tells of the order, if anything.
    """

    outcome: Outcome
    provider_ref: str | None = None
    payment_url: str | None = None
    reason: str | None = None
    retryable: bool = False
    observed: Observation | None = None


class Inexpressible(Exception):
    """A provider's API has no words for a request; ``reason`` is a decline reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CallbackRejected(Exception):
    """A callback that cannot be believed. ``status`` and ``body`` are the answer the provider's document asks for."""

    def __init__(self, status: int, body: bytes, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.body = body
        self.reason = reason


class VerifiedCallback(msgspec.Struct, frozen=True):
    """A callback whose sender is proven. ``order_ref`` (or, where the provider names only the operation, its id)
    keys the Kafka message; ``response`` is what the provider expects to hear once it is stored."""

    order_ref: str
    response: bytes
    response_type: str = "application/json"


class ParsedCallback(msgspec.Struct, frozen=True):
    """What a callback says. ``references``: provider or own ids by which the payment can be found.
    ``dedupe``: the provider's identity of the event, the same for every redelivery of it. ``ask``: the callback is
    not signed, so it says only that there is news: ``observed`` stays empty, and the provider is asked."""

    references: tuple[str, ...]
    dedupe: str
    observed: Observation = Observation()
    ask: bool = False


def own_id(text: str | None) -> UUID | None:
    """Our operation's id, if that is what the provider echoes."""
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None


class Provider(ABC):
    """One payment provider."""

    #: The provider's name in our API, settings and books, e.g. ``yandex-pay``.
    name: ClassVar[str]

    @abstractmethod
    async def perform(self, request: ProviderRequest) -> CallResult:
        """Carry out ``request`` within the adapter's deadline. Sends ``request.operation_id`` as the idempotency
        key, the same on every attempt. Never raises for what a provider or a network can do: that is an outcome.
        A request the provider cannot express is DECLINED with reason ``unsupported``."""

    @abstractmethod
    async def verify_callback(
        self, headers: Mapping[str, str], body: bytes, peer: str | None = None
    ) -> VerifiedCallback:
        """Check the sender on the raw bytes. Raises :class:`CallbackRejected`; header names are lower case. ``peer``:
        the address the callback came from, for providers that do not sign."""

    @abstractmethod
    def parse_callback(self, body: bytes) -> ParsedCallback:
        """Read a verified callback. Raises :class:`billing.errors.InvalidMessage` when it cannot be understood."""

    async def start(self) -> None:
        """Open connections. Called once, inside the event loop."""

    async def close(self) -> None:
        """Close them."""
