"""The agents of a worker process, their connections and their supervision."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import structlog

from billing.messages import MESSAGE_TYPES
from billing.messages.topics import CALLBACKS, INBOX, RENEWALS, REQUESTS, SUBSCRIPTIONS
from billing.vocabulary import Lane
from providers import registry
from providers.http import CallLimits
from runtime import release
from runtime.clock import utc_now
from runtime.kafka.clients import new_producer
from runtime.kafka.dead_letters import DeadLetterWriter
from runtime.kafka.publisher import Publisher
from runtime.kafka.record import Incoming
from runtime.periodic import run_periodically
from runtime.postgres import (
    COMMAND_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    POSTGRES_ERRORS,
    SchemaMismatch,
    create_engine,
)
from runtime.process import EXIT_CONFIG, BackgroundTasks, beat, exit_process
from runtime.retry import Retry
from runtime.settings import WorkerSettings
from storage.processes import leases
from storage.streams.backlog import (
    contradicted_payments,
    count_parked_callbacks,
    open_operations,
    stored_positions,
)
from storage.streams.parking import ParkedMessages
from streams.callbacks.agent import CallbacksAgent
from streams.delivery.aggregate_agent import AggregateAgent
from streams.delivery.ordered_feed import OrderedFeed, Pause
from streams.metrics import Metrics
from streams.payments.agent import Payments
from streams.payments.follow_ups import FollowUps
from streams.progress import Progress
from streams.provider_calls.agent import ProviderAgent
from streams.provider_calls.availability import Availability
from streams.provider_calls.methods import SavedMethods
from streams.provider_calls.places import Places
from streams.subscriptions.agent import Subscriptions

log = structlog.get_logger(__name__)

#: Without Postgres the positions cannot be read; past this the process exits and is started again.
RESTORE_PATIENCE_S: Final = 30.0
#: On stopping, beside the deadline of a provider call: for its result to be stored.
STOP_MARGIN_S: Final = 10.0
WATCH_EVERY_S: Final = 1.0
#: A statement that Postgres does not answer becomes a known outage at its timeout: only what lasts longer hangs.
BEAT_PATIENCE_S: Final = COMMAND_TIMEOUT_S + 5.0
#: How often the metrics read Postgres, seconds: positions, and the backlog of all workers.
READ_POSITIONS_S: Final = 1.0
READ_BACKLOG_S: Final = 15.0
# A statement that hangs is given up, and tried again, while the restore still waits.
assert CONNECT_TIMEOUT_S < COMMAND_TIMEOUT_S <= RESTORE_PATIENCE_S

Restore = Callable[[Sequence[int]], Awaitable[Mapping[int, int]]]


class Agents:
    """The agents of one worker, each with its feed. ``highwater(topic, partition)``: the end of a partition as of the last
    fetch. ``pause(topic)`` stops and resumes the fetching of a topic's partitions."""

    def __init__(
        self, settings: WorkerSettings, highwater: Callable[[str, int], int], pause: Callable[[str], Pause]
    ) -> None:
        self._pause = pause
        self.feeds: dict[str, OrderedFeed] = {}
        self._settings = settings
        self._highwater = highwater
        self._restores: dict[str, Restore] = {}
        self._tasks = BackgroundTasks()
        self._assigned = False
        self._stalled_s = 0.0
        self.metrics = Metrics()
        self._started = False

    async def start(self) -> None:
        """Connect, and start each agent on its feed."""
        settings = self._settings
        self._engine = create_engine(settings)
        self._producer = new_producer(settings)
        await self._producer.start()
        limits = CallLimits(settings.provider_timeout_s, settings.provider_concurrency)
        self._providers = registry.build_providers(registry.read_settings(), limits)
        self.metrics.know(self._providers)
        for provider in self._providers.values():
            await provider.start()
        publisher, dead_letters = Publisher(self._producer), DeadLetterWriter(self._producer)
        self._payments = AggregateAgent(
            Payments(self.metrics.other_mode, self.metrics.changed),
            self._engine,
            publisher,
            dead_letters,
            exit_process,
            on_committed=self.metrics.decided,
        )
        self._subscriptions = AggregateAgent(
            Subscriptions(), self._engine, publisher, dead_letters, exit_process, on_committed=self.metrics.decided
        )
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._lease = leases.Lease(leases.WORKER, self._worker, release.version(), leases.LEASE_S, MESSAGE_TYPES.keys())
        availability = self._availability = Availability(self._engine, self._providers, self._worker)
        methods = SavedMethods(self._engine)
        places = self._places = Places(self._providers, settings.provider_concurrency)
        self._calls = {
            lane: ProviderAgent(
                self._engine,
                publisher,
                dead_letters,
                self._providers,
                availability,
                methods,
                exit_process,
                places=places,
                timeout_s=settings.provider_timeout_s,
                lane=lane,
                on_ended=self.metrics.call_ended,
            )
            for lane in Lane
        }
        interactive, renewals = self._calls[Lane.INTERACTIVE], self._calls[Lane.RENEWAL]
        callbacks = CallbacksAgent(
            self._engine,
            publisher,
            dead_letters,
            self._providers,
            exit_process,
            on_callbacks=self.metrics.callbacks,
        )
        self._feed("payments", INBOX.name, self._payments.restore, self._payments.process)
        self._feed("subscriptions", SUBSCRIPTIONS.name, self._subscriptions.restore, self._subscriptions.process)
        self._feed("provider", REQUESTS.name, interactive.restore, interactive.process)
        self._feed("renewals", RENEWALS.name, renewals.restore, renewals.process, renewals.room)
        self._feed("callbacks", CALLBACKS.name, callbacks.restore, callbacks.process)
        self._late = [*(calls.position for calls in self._calls.values()), callbacks.position]
        for position in self._late:
            self._tasks.spawn(position.keep())
        self._tasks.spawn(availability.keep_looking())
        self._tasks.spawn(callbacks.retry_parked())
        self._tasks.spawn(FollowUps(self._engine, publisher, availability, on_sent=self.metrics.follow_ups).run())
        for feed in self.feeds.values():
            parked = ParkedMessages(self._engine, publisher, dead_letters, feed.consumer, MESSAGE_TYPES.keys())
            self._tasks.spawn(parked.run())
        self._tasks.spawn(
            run_periodically(READ_POSITIONS_S, self._read_positions, "positions cannot be read for metrics")
        )
        self._tasks.spawn(
            run_periodically(READ_BACKLOG_S, self._read_backlog, "the backlog cannot be read for metrics")
        )
        self._tasks.spawn(self._hold_lease())
        self._tasks.spawn(self._watch())
        self._tasks.spawn(beat(settings.heartbeat_file, self._works))
        self._started = True

    async def stop(self) -> None:
        """Finish the batches and calls in progress, record their positions, disconnect."""
        if not self._started:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.provider_timeout_s + STOP_MARGIN_S):
                for feed in self.feeds.values():
                    await feed.lock.acquire()  # the batch in progress is done, and no other starts
                await asyncio.gather(*(calls.finish() for calls in self._calls.values()))
                for position in self._late:
                    await position.store()
                await self._payments.flush()
                await self._subscriptions.flush()
                async with self._engine.begin() as connection:
                    await self._lease.release(connection)
        await self._tasks.cancel()
        await self._producer.stop()
        for provider in self._providers.values():
            await provider.close()
        await self._engine.dispose()

    async def restore(self, assignment: Mapping[str, Sequence[int]]) -> dict[str, Mapping[int, int]]:
        """Reset every feed to the positions in Postgres of the partitions that are now assigned."""
        positions: dict[str, Mapping[int, int]] = {}

        async def restore_missing() -> None:
            for topic in self.feeds.keys() - positions.keys():
                positions[topic] = await self._restore(topic, assignment.get(topic, ()))

        try:
            await Retry("restore positions", POSTGRES_ERRORS, patience_s=RESTORE_PATIENCE_S).run(restore_missing)
        except SchemaMismatch as error:
            exit_process(str(error), EXIT_CONFIG)
        except POSTGRES_ERRORS as error:
            exit_process(f"positions cannot be read: {error!r}")
        self._assigned = True
        log.info("partitions assigned", partitions={topic: len(found) for topic, found in positions.items()})
        return positions

    async def _restore(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        async def load() -> Mapping[int, int]:
            return await self._restores[topic](partitions) if partitions else {}

        return await self.feeds[topic].restore(load)

    def _feed(
        self,
        consumer: str,
        topic: str,
        restore: Restore,
        process: Callable[[list[Incoming]], Awaitable[None]],
        room: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        feed = self.feeds[topic] = OrderedFeed(consumer, topic, exit_process, pause=self._pause(topic))
        self._restores[topic] = restore
        self._tasks.spawn(feed.work(self._settings.batch_max, self.metrics.measured(consumer, process), room))

    async def _hold_lease(self) -> None:
        """Show the other processes, forever, that this worker runs and which messages it understands."""

        async def refresh() -> None:
            async with self._engine.begin() as connection:
                await self._lease.refresh(connection)

        await Retry("first lease", POSTGRES_ERRORS).run(refresh)
        await run_periodically(leases.RENEW_LEASE_S, refresh, "postgres is unavailable, the worker's lease is late")

    async def _watch(self) -> None:
        """Exit when a feed is stuck: Faust hangs or has dropped the last event of a partition, or an agent hangs."""
        progress = Progress(self.feeds, self._highwater)
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            stalled = progress.stalled_s()
            for topic, seconds in stalled.items():
                self.metrics.stalled(self.feeds[topic].consumer, seconds)
            self._count_now()
            topic, self._stalled_s = max(stalled.items(), key=lambda item: item[1])
            if self._stalled_s > self._settings.stall_s:
                exit_process(f"no progress for {self._settings.stall_s} s with messages waiting in {topic}")

    def _count_now(self) -> None:
        """What the metrics show of this moment: once a second, because counting with each message would cost more."""
        for feed in self.feeds.values():
            self.metrics.feed(feed.consumer, feed.waiting, len(feed.expected))
        waiting = Counter[str]()
        for calls in self._calls.values():
            waiting.update(calls.waiting)
        self.metrics.calls(self._places.taken, waiting)

    def _works(self) -> bool:
        """There is progress, nothing to do, or a known outage."""
        return self._assigned and self._stalled_s < BEAT_PATIENCE_S

    def _end(self, topic: str, partition: int) -> int | None:
        feed = self.feeds.get(topic)
        return self._highwater(topic, partition) if feed is not None and partition in feed.expected else None

    async def _read_positions(self) -> None:
        async with self._engine.connect() as connection:
            self.metrics.positions(await stored_positions(connection), self._end)
        self.metrics.breakers(self._availability.breakers)

    async def _read_backlog(self) -> None:
        async with self._engine.connect() as connection:
            parked, operations = await count_parked_callbacks(connection), await open_operations(connection)
            self.metrics.contradicted(await contradicted_payments(connection))
        self.metrics.backlog(parked, operations, utc_now())
