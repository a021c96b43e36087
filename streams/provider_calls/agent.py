"""The provider agent: makes the calls that the payments agent recorded, and reports the result of each.

Calls run concurrently, bounded per provider, so that a slow provider does not delay the others. A request is done when
its result is in Kafka; a crash before that delivers it again, and it is sent again with the same idempotency key.

Each lane has its own topic and agent (ADR 0019): renewals wait in Kafka, and at most :data:`RENEWALS_PER_PROVIDER` times
the number of providers here, so that they neither fill the queue of the checkouts nor hold back its position.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.errors import BillingError, InvalidMessage, UnknownMessageType
from billing.messages import Envelope, ProviderRequest, ProviderResult, decode_envelope
from billing.messages.topics import INBOX, REQUEST_TOPICS
from billing.reasons import Reason
from billing.vocabulary import Action, Lane, Outcome
from providers.base import CallResult, Provider, deadline_s
from runtime.kafka.dead_letters import DeadLetterWriter
from runtime.kafka.publisher import OutboundMessage, Publisher, outbound
from runtime.kafka.record import Incoming
from runtime.postgres import POSTGRES_ERRORS
from runtime.retry import Retry
from storage.streams.parking import park
from storage.streams.positions import Consumer
from streams.delivery.late_position import LatePosition
from streams.delivery.watermarks import Watermarks
from streams.provider_calls.availability import Availability
from streams.provider_calls.methods import MethodGate
from streams.provider_calls.places import Places

log = structlog.get_logger(__name__)

CONSUMERS: Final = MappingProxyType({Lane.INTERACTIVE: Consumer.PROVIDER, Lane.RENEWAL: Consumer.RENEWALS})
#: Requests of one provider that may wait for a call to end; those beyond are reported as not sent and followed up later,
#: rather than delay other providers' requests behind them.
QUEUE_PER_PROVIDER: Final = 1000
#: Renewals taken from Kafka that have not ended, for each provider that there is. More than the renewal job leaves
#: unanswered at one provider (reconciliation/renewals/pace.py): if that one is slow, there is room for the others' behind
#: them. The rest waits in Kafka.
RENEWALS_PER_PROVIDER: Final = 1000
#: Requests that charge the customer: not sent past their time.
_CHARGING: Final = (Action.CREATE, Action.RECUR)
#: The adapter keeps its own deadline; this much later the call is cancelled.
GRACE_S: Final = 5.0


class ProviderAgent:
    """Processes the requests of one ``lane``. ``places`` are shared by the lanes. ``exit_process`` ends the process and
    does not return."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        dead_letters: DeadLetterWriter,
        providers: Mapping[str, Provider],
        availability: Availability,
        methods: MethodGate,
        exit_process: Callable[[str], None],
        *,
        places: Places,
        timeout_s: float,
        lane: Lane = Lane.INTERACTIVE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_ended: Callable[[str, Action, Outcome, float, str | None], None] = lambda *_: None,
    ) -> None:
        self._on_ended = on_ended
        self._engine = engine
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._providers = providers
        self._availability = availability
        self._methods = methods
        self._lane = lane
        self._consumer = CONSUMERS[lane]
        self._topic = REQUEST_TOPICS[lane].name
        self._timeout_s = timeout_s
        self._now = now
        self._places = places
        self._waiting = dict.fromkeys(providers, 0)
        #: Calls end in any order: the position is the lowest that has not.
        self.position = LatePosition(engine, self._consumer, self._topic, exit_process)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()

    @property
    def waiting(self) -> Mapping[str, int]:
        """Provider → requests that wait for one of its calls to end."""
        return self._waiting

    async def restore(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Take over partitions. Calls in progress for earlier ones end and report; their positions are not written."""
        await self._availability.look()  # no call before the switches are known
        return await self.position.restore(partitions)

    async def process(self, batch: list[Incoming]) -> None:
        """Start the calls of a batch."""
        marks = self.position.marks
        for incoming in batch:
            marks.begin(incoming.partition, incoming.offset)
            task = asyncio.create_task(self._handle(incoming, marks))
            self._tasks.add(task)
            task.add_done_callback(self._end)

    async def room(self) -> int:
        """Wait until a renewal can be taken from Kafka; returns how many can."""
        while (left := RENEWALS_PER_PROVIDER * len(self._providers) - len(self._tasks)) <= 0:
            self._ended.clear()
            await self._ended.wait()
        return left

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._ended.set()

    async def finish(self) -> None:
        """Let the calls in progress end."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._timeout_s + GRACE_S)

    async def _handle(self, incoming: Incoming, marks: Watermarks) -> None:
        try:
            envelope = decode_envelope(incoming.value)
            request = envelope.open()
            if not isinstance(request, ProviderRequest) or request.provider not in self._providers:
                raise InvalidMessage(f"not a request to a configured provider: {envelope.type}")
        except UnknownMessageType:
            await Retry("park message", POSTGRES_ERRORS).run(lambda: self._park(incoming))
        except BillingError as error:
            await self._dead_letters.write(self._consumer, self._topic, incoming, error)
        else:
            started = time.perf_counter()
            result = await self._call(request)
            duration_ms = (time.perf_counter() - started) * 1000
            self._on_ended(request.provider, request.action, result.outcome, duration_ms / 1000, result.reason)
            await self._publisher.publish([self._report(envelope, request, result, duration_ms)])
        marks.finish(incoming.partition, incoming.offset)

    async def _park(self, incoming: Incoming) -> None:
        async with self._engine.begin() as connection:
            await park(connection, self._consumer, self._topic, incoming, self._now())

    async def _call(self, request: ProviderRequest) -> CallResult:
        name = request.provider
        if self._lane is Lane.INTERACTIVE and self._waiting[name] >= QUEUE_PER_PROVIDER:
            return CallResult(Outcome.NOT_SENT, reason=Reason.QUEUE_FULL)
        self._waiting[name] += 1
        async with self._places.hold(name, self._lane):
            self._waiting[name] -= 1
            if (refusal := await self._refusal(name, request)) is not None:
                return CallResult(Outcome.NOT_SENT, reason=refusal)
            result = await self._perform(name, request)
            self._availability.note(name, result)
            return result

    async def _refusal(self, name: str, request: ProviderRequest) -> Reason | None:
        """Why the call may not be made now. The saved method is read last but for what needs no waiting, so that nothing
        but the call follows."""
        if self._is_too_late(request):
            return Reason.TOO_LATE
        if (refusal := await self._methods.refusal(request)) is not None:
            return refusal
        # Reading the method may have waited for Postgres.
        return Reason.TOO_LATE if self._is_too_late(request) else self._availability.refusal(name)

    def _is_too_late(self, request: ProviderRequest) -> bool:
        late = request.not_after is not None and self._now() >= request.not_after
        return late and request.action in _CHARGING

    async def _perform(self, name: str, request: ProviderRequest) -> CallResult:
        try:
            async with asyncio.timeout(deadline_s(request.action, self._timeout_s) + GRACE_S):
                return await self._providers[name].perform(request)
        except TimeoutError:
            return CallResult(Outcome.UNKNOWN, reason=Reason.DEADLINE)
        except Exception:
            # A defect of the adapter must not lose the request: it may have been sent.
            log.exception("adapter failed", provider=name, operation=str(request.operation_id))
            return CallResult(Outcome.UNKNOWN, reason=Reason.ADAPTER_ERROR)

    def _report(
        self, cause: Envelope, request: ProviderRequest, result: CallResult, duration_ms: float
    ) -> OutboundMessage:
        message = ProviderResult(
            payment_id=request.payment_id,
            operation_id=request.operation_id,
            provider=request.provider,
            action=request.action,
            outcome=result.outcome,
            provider_ref=result.provider_ref,
            payment_url=result.payment_url,
            reason=result.reason,
            observed=result.observed,
            duration_ms=round(duration_ms, 3),
            retry_after_s=result.retry_after_s,
            provider_reason=result.provider_reason,
            reply_to=request.reply_to,
            books=request.books,
        )
        return outbound(
            INBOX,
            message,
            id=f"{cause.id}/result",
            source="/streams/provider",
            time=self._now(),
            actor=f"provider:{request.provider}",
            traceparent=cause.traceparent,
        )
