"""The scheduler process: its connections, its jobs, its end."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog
import uvloop

from providers import registry
from reconciliation.bulk.job import EVERY_S as BULK_EVERY_S
from reconciliation.bulk.job import BulkRefunds
from reconciliation.clearing.closing import ClosingJob
from reconciliation.clearing.events import publish_events
from reconciliation.clearing.job import LIMITS, ClearingJob
from reconciliation.daily_record import record_days
from reconciliation.inbox import waiting_in_inbox
from reconciliation.metrics import Metrics
from reconciliation.renewals.job import RUN_S, Outcome, RenewalJob
from reconciliation.renewals.pace import Bounds
from reconciliation.test_clocks import TestClocks
from reconciliation.trigger import Trigger
from runtime import release
from runtime.clock import utc_now
from runtime.kafka.clients import KAFKA_ERRORS, new_consumer, new_producer
from runtime.kafka.publisher import Publisher
from runtime.metrics import served
from runtime.periodic import run_periodically
from runtime.postgres import POSTGRES_ERRORS, create_engine
from runtime.process import BackgroundTasks, beat, close_all, lower_priority, on_stop
from runtime.retry import OUTAGES, Retry, RetryStopped
from runtime.settings import SchedulerSettings
from storage.processes.leases import LEASE_S, RENEW_LEASE_S, SCHEDULER, Lease

log = structlog.get_logger(__name__)

#: A minute, a run and a slow statement: with no trigger for longer than this, something hangs.
TRIGGERED_WITHIN_S: Final = 60.0 + RUN_S + 70.0
#: Between two looks whether a test clock is to be moved, seconds.
CLOCKS_EVERY_S: Final = 0.2
#: Between two looks whether a business day is to be cleared, seconds.
CLEARING_EVERY_S: Final = 60.0
#: Between two looks for events of clearing to publish, seconds.
EVENTS_EVERY_S: Final = 5.0
#: On stopping: for the page under way.
STOP_S: Final = 20.0
#: A forecast reads every subscription.
STATEMENT_TIMEOUT_S: Final = 300.0


def run(settings: SchedulerSettings) -> None:
    """Run until SIGTERM or SIGINT; the page under way is finished first. Payments on the same machine come first."""
    lower_priority()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))


async def serve(settings: SchedulerSettings) -> None:
    """The same inside a running loop."""
    metrics = Metrics()
    with served(metrics.registry, settings):
        await _Scheduler(settings, metrics).serve()


class _Scheduler:
    def __init__(self, settings: SchedulerSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._engine = create_engine(settings, command_timeout_s=STATEMENT_TIMEOUT_S)
        self._producer = new_producer(settings)
        self._consumer = new_consumer(settings)
        self._publisher = publisher = Publisher(self._producer)
        self._renewals = RenewalJob(
            self._engine,
            publisher,
            waiting_in_inbox(self._producer, self._consumer, self._engine),
            metrics,
            zone=settings.business_zone,
            bounds=Bounds(per_s=settings.renewals_per_s),
        )
        self._providers = registry.build_providers(registry.read_settings(), LIMITS)
        self._clearing = ClearingJob(self._engine, publisher, self._providers, metrics, since=settings.clearing_from)
        settlements = {name: provider.capabilities.settlement for name, provider in self._providers.items()}
        self._closing = ClosingJob(self._engine, settlements, metrics, since=settings.clearing_from)
        self._bulk = BulkRefunds(self._engine, publisher, settings.bulk_refunds_per_s)
        self._clocks = TestClocks(self._engine, publisher, metrics)
        self._lease = Lease(SCHEDULER, f"{socket.gethostname()}:{os.getpid()}", release.version(), LEASE_S)
        self._minute, self._day, self._stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()
        #: Held by the job under way.
        self._working = asyncio.Lock()
        self._triggered = time.monotonic()

    async def serve(self) -> None:
        trigger = Trigger(self._settings.business_zone, self._on_minute, self._day.set)
        tasks = BackgroundTasks()
        on_stop(self._stop)
        tasks.spawn(beat(self._settings.heartbeat_file, self._works))
        try:
            await Retry("connect producer", KAFKA_ERRORS, stop=self._stopped).run(self._producer.start)
            await Retry("connect consumer", KAFKA_ERRORS, stop=self._stopped).run(self._consumer.start)
            for provider in self._providers.values():
                await provider.start()
            tasks.spawn(run_periodically(RENEW_LEASE_S, self._renew_lease, "the scheduler's lease is late"))
            tasks.spawn(self._on(self._minute, self._renew))
            tasks.spawn(run_periodically(CLEARING_EVERY_S, self._clear, "clearing does not run"))
            tasks.spawn(run_periodically(EVENTS_EVERY_S, self._publish_events, "events of clearing are late"))
            tasks.spawn(run_periodically(BULK_EVERY_S, self._refund_in_bulk, "bulk refunds wait"))
            tasks.spawn(self._on(self._day, self._record))
            if self._settings.test_clocks:
                tasks.spawn(run_periodically(CLOCKS_EVERY_S, self._clocks.drive, "test clocks cannot be moved"))
            tasks.spawn(trigger.run())
            log.info("started", zone=self._settings.business_zone)
            await self._stopped.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self._working.acquire()
        except RetryStopped:
            pass
        finally:
            await tasks.cancel()
            with suppress(*POSTGRES_ERRORS):
                async with self._engine.begin() as connection:
                    await self._lease.release(connection)
            providers = [provider.close for provider in self._providers.values()]
            await close_all(*providers, self._producer.stop, self._consumer.stop, self._engine.dispose)
            log.info("stopped")

    async def _renew_lease(self) -> None:
        async with self._engine.begin() as connection:
            await self._lease.refresh(connection)

    def _stop(self) -> None:
        log.info("stopping")
        self._renewals.stop()
        self._stopped.set()

    def _on_minute(self) -> None:
        self._triggered = time.monotonic()
        self._minute.set()

    def _works(self) -> bool:
        """The trigger comes, or an outage is known."""
        return time.monotonic() - self._triggered < TRIGGERED_WITHIN_S or bool(OUTAGES.seconds)

    async def _on(self, triggered: asyncio.Event, job: Callable[[], Awaitable[None]]) -> None:
        """Do ``job`` whenever triggered, forever; one job at a time. What fails for an outage is tried at the next time."""
        while True:
            await triggered.wait()
            triggered.clear()
            async with self._working:
                try:
                    await job()
                    self._ran(job)
                except (*POSTGRES_ERRORS, *KAFKA_ERRORS) as error:
                    log.warning("job failed", job=job.__name__.strip("_"), error=repr(error))

    def _ran(self, job: Callable[[], Awaitable[None]]) -> None:
        self._metrics.ran(job.__name__.strip("_"), utc_now())

    async def _renew(self) -> None:
        ran = await self._renewals.run()
        if ran.woken or ran.outcome is not Outcome.DONE:
            log.info("renewals", outcome=ran.outcome, woken=ran.woken, brake=ran.brake)

    async def _clear(self) -> None:
        """By itself: a statement of a million lines must not keep renewals waiting."""
        try:
            await self._clearing.look()
            await self._closing.look(automatic=self._settings.close_automatically)
            self._ran(self._clear)
        except KAFKA_ERRORS as error:
            log.warning("clearing does not run", error=repr(error))

    async def _publish_events(self) -> None:
        await publish_events(self._engine, self._publisher)
        self._ran(self._publish_events)

    async def _refund_in_bulk(self) -> None:
        await self._bulk.look()
        self._ran(self._refund_in_bulk)

    async def _record(self) -> None:
        await record_days(self._engine, self._settings.business_zone)
