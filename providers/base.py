"""The abstract class every provider implements.

An adapter translates: a :class:`ProviderRequest` into the provider's HTTP, its answer into one of five outcomes,
its callbacks into observations. It holds no payment state and touches no storage.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta
from typing import ClassVar, Final
from uuid import UUID

import msgspec

from billing.messages import Observation, ProviderReason, ProviderRequest
from billing.reasons import Reason
from billing.vocabulary import Action, CaptureMode, Outcome
from providers.reading import check_texts
from providers.settlement import Settlement
from providers.statements import Part, StatementLine, StatementPage, StatementUnavailable

#: An inquiry has the deadlines of so many calls: it moves no money, and a search of many pages takes long while the
#: provider fails some of them. Less than the time after which it is asked again.
_OF_AN_INQUIRY: Final = 3


def deadline_s(action: Action, timeout_s: float) -> float:
    """How long the calls of an action may take together, seconds. ``timeout_s``: of one call."""
    return timeout_s * (_OF_AN_INQUIRY if action is Action.INQUIRE else 1)


class CallResult(msgspec.Struct, frozen=True):
    """How a call ended.

    ``provider_ref``: the provider's id of the order or operation. ``reason``: a
    :class:`~billing.reasons.Reason`, or :func:`~billing.reasons.http_reason` of a status.
    ``observed``: the state of the order in the answer, if any. ``retry_after_s``: the pause that the provider asked
    for, seconds. ``provider_reason``: why, in the provider's own words.
    """

    outcome: Outcome
    provider_ref: str | None = None
    payment_url: str | None = None
    reason: str | None = None
    observed: Observation | None = None
    retry_after_s: int | None = None
    provider_reason: ProviderReason | None = None


class Capabilities(msgspec.Struct, frozen=True):
    """What a provider can do, as far as the service acts on it; docs/providers.md describes the rest.

    ``currencies``: those it accepts; ``None``: every one we know. ``minimum``: currency → the smallest amount of a
    payment, minor units; ``step``: currency → the minor units of which an amount must be a multiple. ``capture_modes``:
    those that a payment may ask for. ``settlement``: its business day and statement. ``declines_are_final``: a declined
    card ends the payment, instead of leaving the page open to another card. ``stuck_after``: rule of
    :mod:`billing.clearing.stuck` → the age at which something is stuck by it here. ``reports_failed_refunds``: it reports which
    refund failed; otherwise an operator has to find out.
    """

    currencies: frozenset[str] | None
    settlement: Settlement
    minimum: Mapping[str, int] = {}
    step: Mapping[str, int] = {}
    stuck_after: Mapping[str, timedelta] = {}
    capture_modes: frozenset[CaptureMode] = frozenset(CaptureMode)
    declines_are_final: bool = True
    reports_failed_refunds: bool = True

    def request_refusal(self, request: ProviderRequest) -> Reason | None:
        """The decline reason with which the provider would refuse a request, where that is known before the call."""
        match request.action:
            case Action.CREATE:
                return self.refusal(request.currency, request.amount, request.capture_mode)
            case Action.RECUR:
                return self.refusal(request.currency, request.amount)
            case Action.CAPTURE | Action.REFUND:
                return self._currency_refusal(request.currency) or self._step_refusal(request.currency, request.amount)
            case _:
                return self._currency_refusal(request.currency)

    def refusal(self, currency: str, amount: int, capture_mode: CaptureMode | None = None) -> Reason | None:
        """The decline reason for a new payment of ``amount`` minor units; ``capture_mode``: ``None`` for a charge of a
        saved method."""
        if capture_mode is not None and capture_mode not in self.capture_modes:
            return Reason.UNSUPPORTED_CAPTURE_MODE
        if (reason := self._currency_refusal(currency)) is not None:
            return reason
        return (
            Reason.AMOUNT_TOO_SMALL if amount < self.minimum.get(currency, 0) else self._step_refusal(currency, amount)
        )

    def _currency_refusal(self, currency: str) -> Reason | None:
        known = self.currencies is None or currency in self.currencies
        return None if known else Reason.UNSUPPORTED_CURRENCY

    def _step_refusal(self, currency: str, amount: int) -> Reason | None:
        return Reason.UNSUPPORTED_AMOUNT if amount % self.step.get(currency, 1) else None


class Unsupported(Exception):
    """A provider's API cannot express a request; ``reason`` is a decline reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CallbackRejected(Exception):
    """A callback that cannot be verified. ``status`` and ``body`` are the answer that the provider's document requires."""

    def __init__(self, status: int, body: bytes, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.body = body
        self.reason = reason


class VerifiedCallback(msgspec.Struct, frozen=True):
    """A callback whose sender is verified. ``order_ref`` (or the operation's id, where the provider gives only that)
    keys the Kafka message, and is empty where the callback names none; ``response`` is the body that the provider expects
    once the callback is stored."""

    order_ref: str
    response: bytes
    response_type: str = "application/json"


class ParsedCallback(msgspec.Struct, frozen=True):
    """The content of a callback. ``references``: provider or own ids that identify the payment; a callback without any
    concerns no payment and is ignored. ``dedupe``: the provider's identity of the event, the same for every redelivery.
    ``ask``: the callback proves only that something changed, because it is not signed or lacks the result: ``observed``
    is empty, and the provider is queried, unless the books have all of ``claimed``, what it says without proof. Raises :class:`~billing.errors.InvalidMessage` for a text that cannot be
    stored."""

    references: tuple[str, ...]
    dedupe: str
    observed: Observation = Observation()
    ask: bool = False
    claimed: Observation | None = None

    def __post_init__(self) -> None:
        check_texts(self)


def own_id(text: str | None) -> UUID | None:
    """Our operation's id, if that is what the provider echoes."""
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None


class CallbackVerifier(ABC):
    """Verifies who sent a provider's callbacks. Ingest needs no more of a provider, and holds no key to call it.

    A callback of a proven sender is stored whatever it says: the worker that reads it forwards it, or sets it aside with
    the cause. A refusal would look like a forgery, and the provider would repeat it for days.
    """

    @abstractmethod
    async def verify(self, headers: Mapping[str, str], body: bytes, peer: str | None = None) -> VerifiedCallback:
        """Check the sender on the raw bytes. Raises :class:`CallbackRejected`; header names are lower case. ``peer``:
        the address the callback came from, for providers that do not sign."""

    async def start(self) -> None:
        """Open connections. Called once, inside the event loop."""

    async def close(self) -> None:
        """Close them."""


class Provider(ABC):
    """One payment provider, as the workers call it."""

    #: The provider's name in our API, settings and records, e.g. ``yandex-pay``.
    name: ClassVar[str]
    capabilities: Capabilities

    @abstractmethod
    async def perform(self, request: ProviderRequest) -> CallResult:
        """Carry out ``request`` within the adapter's deadline. Sends ``request.operation_id`` as the idempotency
        key, the same on every attempt. Never raises for what a provider or a network can do: that is an outcome.
        A request the provider's API cannot express is DECLINED with reason ``unsupported``."""

    @abstractmethod
    def parse_callback(self, body: bytes) -> ParsedCallback:
        """Read a verified callback. Raises :class:`billing.errors.InvalidMessage` when it cannot be understood."""

    @abstractmethod
    def parts(self, day: date) -> Sequence[Part]:
        """The parts of the statement of a business day (``capabilities.settlement``)."""

    @abstractmethod
    def pages(self, part: Part, after: str | None = None) -> AsyncIterator[StatementPage]:
        """The pages of a part, from the cursor ``after`` on: every row of the source is a line, of whatever type. Raises
        :class:`StatementUnavailable`; the pages until then stay read, and reading goes on from the last one's cursor.
        The part is read when its last page has come. Reason ``changed``: the source is another than the cursor's, and the
        part has to be read from its start."""

    async def refund(self, provider_ref: str) -> StatementLine | None:  # noqa: ARG002
        """The line of one refund, by the provider's id of it; ``None`` while it has not succeeded. For providers whose
        statement dates refunds by their creation; others raise :class:`StatementUnavailable`."""
        raise StatementUnavailable(Reason.UNSUPPORTED)

    def payout(self, payout_ref: str, day: date) -> Part | None:  # noqa: ARG002
        """The part that lists what a payout of this day consists of, those lines with their ``payout_ref``; ``None``
        where the provider lists that nowhere."""
        return None

    async def start(self) -> None:
        """Open connections. Called once, inside the event loop."""

    async def close(self) -> None:
        """Close them."""
