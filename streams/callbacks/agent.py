"""The callbacks agent: reads verified callbacks, finds their payments, forwards them to the payments inbox.

A callback whose payment is not known yet is parked in Postgres and retried for three days; then it becomes a dead letter.
None is dropped.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.errors import BillingError, InvalidMessage
from billing.messages import ProviderCallback
from billing.messages.topics import CALLBACK_PROVIDER, CALLBACKS, CE_ID, CE_TIME, INBOX
from providers.base import ParsedCallback, Provider
from runtime.kafka.dead_letters import DeadLetterWriter
from runtime.kafka.publisher import OutboundMessage, Publisher, outbound
from runtime.kafka.record import Incoming
from runtime.periodic import run_periodically
from runtime.postgres import POSTGRES_ERRORS
from runtime.retry import Retry
from storage.payments.references import find_payments
from storage.streams.parked_callbacks import ParkedCallback, due, park, unpark
from storage.streams.positions import Consumer
from streams.delivery.late_position import LatePosition
from streams.delivery.refusals import Poison, apply_all

log = structlog.get_logger(__name__)

CONSUMER: Final = Consumer.CALLBACKS
#: When a parked callback is retried; after these, daily.
PARKED_AGAIN: Final = tuple(timedelta(seconds=s) for s in (1, 5, 30, 300, 3600))
#: After this the payment is not ours, or is lost: the callback becomes a dead letter, which an operator sees. No provider
#: repeats a callback for longer.
PARKED_FOR: Final = timedelta(days=3)
PARKED_LIMIT: Final = 200
PARKED_EVERY_S: Final = 1.0


class PaymentUnknown(BillingError):
    """A callback concerns a payment that did not become known: most likely of another system on the same account."""


class _Received(msgspec.Struct, frozen=True):
    id: str
    provider: str
    body: bytes
    received_at: datetime
    parsed: ParsedCallback
    position: tuple[int, int] | None
    tries: int = 0


class CallbacksAgent:
    """Processes ``billing.provider.callbacks``. ``exit_process`` ends the process and does not return; ``on_callbacks`` gets
    provider, result (forwarded, parked) and number, of each callback once for each result."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        dead_letters: DeadLetterWriter,
        providers: Mapping[str, Provider],
        exit_process: Callable[[str], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_callbacks: Callable[[str, str, int], None] = lambda *_: None,
    ) -> None:
        self._on_callbacks = on_callbacks
        self._engine = engine
        # Each statement its own transaction: a crash between two of them forwards callbacks twice, as it may anyway.
        self._statements = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._providers = providers
        self._now = now
        self.position = LatePosition(engine, CONSUMER, CALLBACKS.name, exit_process)

    async def restore(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Take over partitions."""
        return await self.position.restore(partitions)

    async def process(self, batch: list[Incoming]) -> None:
        """Forward a batch; its position is written later. A crash in between forwards it twice, under the same ids. A
        callback that cannot be read, or whose data Postgres refuses, becomes a dead letter."""
        marks = self.position.marks
        for incoming in batch:
            marks.begin(incoming.partition, incoming.offset)

        async def attempt() -> None:
            # In a retry, an earlier part of the batch may be done.
            rest = [incoming for incoming in batch if marks.is_under_way(incoming.partition, incoming.offset)]
            await apply_all(rest, self._apply, self._set_aside)

        await Retry("apply callbacks", POSTGRES_ERRORS).run(attempt, callbacks=len(batch))

    async def _apply(self, batch: Sequence[Incoming]) -> None:
        received = [self._read(index, incoming) for index, incoming in enumerate(batch)]
        async with self._statements.connect() as connection:
            await self._forward(connection, [callback for callback in received if callback.parsed.references])
        for incoming in batch:
            self.position.marks.finish(incoming.partition, incoming.offset)

    async def _set_aside(self, incoming: Incoming, cause: Exception) -> None:
        await self._dead_letters.write(CONSUMER, CALLBACKS.name, incoming, cause)
        self.position.marks.finish(incoming.partition, incoming.offset)
        await self.position.store()  # a second dead letter would be one more for a person to read

    async def retry_parked(self) -> None:
        """Retry parked callbacks when they are due, forever."""
        await run_periodically(
            PARKED_EVERY_S, self.retry_parked_once, "postgres is unavailable, parked callbacks are late"
        )

    async def retry_parked_once(self) -> None:
        """Forward those that are due and whose payment is known now, record the try of the others, and write dead letters
        for those that were parked for :data:`PARKED_FOR`."""
        now = self._now()
        async with self._engine.begin() as connection:
            waiting: list[_Received] = []
            done: list[str] = []
            for callback in await due(connection, now, PARKED_LIMIT):
                try:
                    received = self._reread(callback)
                    if callback.position is not None and callback.received_at <= now - PARKED_FOR:
                        raise PaymentUnknown(f"no payment has any of {', '.join(received.parsed.references)}")
                    waiting.append(received)
                except BillingError as error:
                    await self._dead_letters.write(CONSUMER, CALLBACKS.name, _incoming(callback), error)
                    done.append(callback.id)
            done += await self._forward(connection, waiting)
            await unpark(connection, done)

    async def _forward(self, connection: AsyncConnection, received: Sequence[_Received]) -> list[str]:
        """Forward the callbacks that have a payment, park the rest; returns the ids of those forwarded."""
        now = self._now()
        outputs: list[OutboundMessage] = []
        unknown: list[_Received] = []
        known: list[str] = []
        forwarded: Counter[str] = Counter()
        for provider in {callback.provider for callback in received}:
            mine = [callback for callback in received if callback.provider == provider]
            references = {reference for callback in mine for reference in callback.parsed.references}
            payments = await find_payments(connection, provider, references)
            for callback in mine:
                payment_id = next((payments[r] for r in callback.parsed.references if r in payments), None)
                if payment_id is None:
                    unknown.append(callback)
                else:
                    outputs.append(_output(callback, payment_id, now))
                    known.append(callback.id)
                    forwarded[provider] += 1
        if unknown:
            log.warning("callbacks parked: their payments are not known yet", callbacks=len(unknown))
            await park(connection, [_parked(callback, now) for callback in unknown])
        await self._publisher.publish(outputs)
        for provider, number in forwarded.items():
            self._on_callbacks(provider, "forwarded", number)
        for provider, number in Counter(callback.provider for callback in unknown if callback.tries == 0).items():
            self._on_callbacks(provider, "parked", number)
        return known

    def _read(self, index: int, incoming: Incoming) -> _Received:
        headers = dict(incoming.headers)
        try:
            provider = headers[CALLBACK_PROVIDER].decode()
            id = headers[CE_ID].decode()
            received_at = datetime.fromisoformat(headers[CE_TIME].decode())
            adapter = self._providers[provider]
        except (KeyError, ValueError) as error:
            cause = InvalidMessage(f"a callback without its headers: {error!r}")
            raise Poison(index, cause) from error
        try:
            parsed = adapter.parse_callback(incoming.value)
        except BillingError as error:
            raise Poison(index, error) from error
        position = (incoming.partition, incoming.offset)
        return _Received(id, provider, incoming.value, received_at, parsed, position)

    def _reread(self, parked: ParkedCallback) -> _Received:
        parsed = self._providers[parked.provider].parse_callback(parked.body)
        return _Received(
            parked.id, parked.provider, parked.body, parked.received_at, parsed, parked.position, parked.tries
        )


def _parked(callback: _Received, now: datetime) -> ParkedCallback:
    wait = PARKED_AGAIN[callback.tries] if callback.tries < len(PARKED_AGAIN) else timedelta(days=1)
    return ParkedCallback(
        callback.id,
        callback.provider,
        callback.body,
        callback.received_at,
        now + wait,
        callback.tries + 1,
        callback.position,
    )


def _incoming(parked: ParkedCallback) -> Incoming:
    """The message that the callback came in."""
    partition, offset = parked.position or (0, 0)
    headers = (
        (CALLBACK_PROVIDER, parked.provider.encode()),
        (CE_ID, parked.id.encode()),
        (CE_TIME, parked.received_at.isoformat().encode()),
    )
    return Incoming(partition, offset, None, parked.body, headers)


def _output(callback: _Received, payment_id: UUID, now: datetime) -> OutboundMessage:
    message = ProviderCallback(
        payment_id=payment_id,
        provider=callback.provider,
        dedupe=callback.parsed.dedupe,
        observed=callback.parsed.observed,
        ask=callback.parsed.ask,
        claimed=callback.parsed.claimed,
    )
    return outbound(
        INBOX,
        message,
        id=f"{callback.provider}/{callback.id}",
        source=f"/webhooks/{callback.provider}",
        time=now,
        actor=f"provider:{callback.provider}",
    )
