"""The clearing job: every business day of every provider, in order. Which days are to be cleared is asked of Postgres, so
days on which nothing ran are made up for, the oldest first."""

import time
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Final

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.messages import RecordChargeback, UndoRefund
from providers.base import Provider
from providers.http import CallLimits
from reconciliation.clearing.events import note_day, note_lost_callbacks
from reconciliation.clearing.reading import step
from reconciliation.clearing.run import ClearingRun, OnProgress, Outcome, Ran, no_progress
from reconciliation.metrics import Metrics
from runtime.clock import utc_now
from runtime.kafka.clients import KAFKA_ERRORS
from runtime.kafka.publisher import Publisher
from runtime.postgres import POSTGRES_ERRORS
from storage import job_runs
from storage.clearing import standing
from storage.clearing.compare import first_movement
from storage.clearing.days import not_told
from storage.clearing.discrepancies import awaits_answers
from storage.clearing.posting import is_unposted
from storage.job_runs import JobRun
from storage.processes.leases import is_understood
from storage.processes.locks import Lock, writing

log = structlog.get_logger(__name__)

#: Of the calls that read statements: a page may be long.
LIMITS: Final = CallLimits(timeout_s=60.0, connections=4)
#: Days of one provider that one look clears: other providers wait no longer than that.
DAYS_AT_ONCE: Final = 3
#: How long to wait for a statement that is not there, minutes; the last for every further try.
TRY_AGAIN_MIN: Final = (10, 20, 40, 60)


def job_name(provider: str) -> str:
    """The name of a provider's clearing in ``job_runs``."""
    return f"clearing:{provider}"


class ClearingJob:
    """The job of one process. ``providers``: started, by name. ``since``: the first business day that is cleared; ``None``:
    that of the first movement of money."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        providers: Mapping[str, Provider],
        metrics: Metrics,
        *,
        since: date | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._providers = providers
        self._metrics = metrics
        self._since = since
        self._now = now
        #: Provider → how often its statement was not there, and the earliest time of the next try (monotonic).
        self._tries: dict[str, tuple[int, float]] = {}
        #: Provider → the requests of people that its last try was made for, or after.
        self._answered: dict[str, set[str]] = {}

    async def look(self) -> list[Ran]:
        """Clear the days that are over and not cleared yet; look whether what is open agrees now. A fault in the code of
        one provider keeps no other waiting, and is tried again as a statement that is not there."""
        ran = []
        for name in self._providers:
            try:
                ran += await self._clear(name)
            except (*POSTGRES_ERRORS, *KAFKA_ERRORS):
                raise
            except Exception:
                log.exception("clearing failed", provider=name)
                self._metrics.clearing_failed(name)
                self._wait(name)
        await self._measure()
        return ran

    async def _measure(self) -> None:
        async with self._engine.connect() as connection:
            self._metrics.clearing_stands(
                await standing.open_by_severity(connection),
                await standing.oldest_unpublished(connection),
                await standing.last_close(connection),
                self._now(),
            )
            for name, provider in self._providers.items():
                last = await job_runs.last_finished(connection, job_name(name))
                if last is not None:
                    day = provider.capabilities.settlement.business_day(last.business_date)
                    learnt_by = await not_told(connection, name, *day)
                    self._metrics.lost_callbacks(name, learnt_by, last.counts.get("movements", 0))

    async def _clear(self, name: str) -> list[Ran]:
        async with writing(self._engine, Lock.CLEARING, name) as connection:
            if connection is None:
                return []
            async with connection.begin():
                braked = await job_runs.braked(connection, job_name(name))
                last_over = self._last_over(name)
                await self._open(connection, name, last_over)
                # A person may have asked for a day that is not over.
                due = [
                    run
                    for run in await job_runs.unfinished(connection, job_name(name))
                    if run.business_date <= last_over
                ]
            self._metrics.clearing(name, len(due), suspect=braked is not None)
            ran = []
            asked = {run.request.key for run in due if run.request is not None}
            is_answered = asked <= self._answered.get(name, set())
            waits = is_answered and self._tries.get(name, (0, 0.0))[1] > time.monotonic()
            if braked is None and not waits:
                self._answered[name] = asked
                for run in due[:DAYS_AT_ONCE]:
                    ran.append(await self._day(connection, name, run))
                    if ran[-1].outcome is not Outcome.DONE:
                        break
            if not ran:
                await self._check_open(connection, name)
            return ran

    def _last_over(self, name: str) -> date:
        """The last business day that is over and whose statement can be ready."""
        settlement = self._providers[name].capabilities.settlement
        return settlement.day_of(self._now() - settlement.ready_after) - timedelta(days=1)

    async def _open(self, connection: AsyncConnection, name: str, last_over: date) -> None:
        """Open the runs of the days that are over, since money moved for the first time. A person may have run a later day
        before."""
        began = await first_movement(connection, name)
        if began is None:
            return
        first = max(filter(None, (self._providers[name].capabilities.settlement.day_of(began), self._since)))
        days = [first + timedelta(days=n) for n in range((last_over - first).days + 1)]
        if days and await job_runs.number(connection, job_name(name), days[0], days[-1]) < len(days):
            await job_runs.open_runs(connection, job_name(name), days)

    async def _day(self, connection: AsyncConnection, name: str, run: JobRun) -> Ran:
        ran = await clear_day(
            connection, self._publisher, self._providers[name], name, run.business_date,
            now=self._now, believe=run.released_by is not None,
        )  # fmt: skip
        if ran.outcome is Outcome.WAITING:
            self._wait(name)
        else:
            self._tries.pop(name, None)
        self._metrics.found(name, ran.found)
        log.info("cleared", **{k: v for k, v in msgspec.to_builtins(ran).items() if v})
        return ran

    def _wait(self, name: str) -> None:
        tries = self._tries.get(name, (0, 0.0))[0]
        pause = TRY_AGAIN_MIN[min(tries, len(TRY_AGAIN_MIN) - 1)]
        self._tries[name] = tries + 1, time.monotonic() + pause * 60

    async def _check_open(self, connection: AsyncConnection, name: str) -> None:
        """After payments were told, or a person decided: whatever agrees now closes and is posted at once, not with the
        next statement."""
        async with connection.begin():
            last = next(iter(await job_runs.latest(connection, job_name(name))), None)
            if last is None or not (
                await awaits_answers(connection, name, last.business_date) or await is_unposted(connection, name)
            ):
                return
            began = await job_runs.first_date(connection, job_name(name))
        run = ClearingRun(
            connection, self._publisher, self._providers[name], name, last.business_date, now=self._now, began=began
        )
        for discrepancy in await run.check_open():
            log.info("discrepancy", id=str(discrepancy.id), kind=discrepancy.kind, state=discrepancy.state)


async def clear_day(
    connection: AsyncConnection,
    publisher: Publisher,
    provider: Provider,
    name: str,
    day: date,
    *,
    now: Callable[[], datetime],
    believe: bool,
    on_progress: OnProgress = no_progress,
) -> Ran:
    """Clear a day by the connection that holds the provider's lock, and note how that ended. The parameters are those of
    :class:`ClearingRun`."""
    settlement = provider.capabilities.settlement
    async with step(connection):
        again = await cleared_before(connection, name, day, settlement.reread)
        began = await job_runs.first_date(connection, job_name(name))
        understood = all([await is_understood(connection, message.TYPE) for message in (RecordChargeback, UndoRefund)])
    ran = await ClearingRun(
        connection,
        publisher,
        provider,
        name,
        day,
        now=now,
        again=again,
        began=began,
        understood=understood,
        on_progress=on_progress,
    ).run(believe=believe)
    async with step(connection):
        await _settle(connection, ran)
        for changed in (*ran.reread, day):
            for run in await job_runs.of_date(connection, job_name(name), changed):
                await note_day(connection, name, settlement, run, now())
        await note_lost_callbacks(connection, name, settlement, [*again, day], now())
    return ran


async def cleared_before(connection: AsyncConnection, name: str, day: date, reread: int) -> list[date]:
    """The days before ``day`` whose statements are read again with its own: the last ``reread`` that were cleared."""
    runs = await job_runs.latest(connection, job_name(name), limit=400)
    earliest = day - timedelta(days=reread)
    return sorted(r.business_date for r in runs if r.finished_at is not None and earliest <= r.business_date < day)


async def _settle(connection: AsyncConnection, ran: Ran) -> None:
    """Note how a run ended, in the caller's transaction. A suspect one stops the provider's clearing until a person lets
    it go on."""
    job, counts = job_name(ran.provider), msgspec.to_builtins(ran)
    match ran.outcome:
        case Outcome.DONE:
            await job_runs.finish_date(connection, job, ran.day, counts)
        case Outcome.SUSPECT:
            await job_runs.record(connection, job, ran.day, counts)
            await job_runs.brake(connection, job, ran.day, ran.reason or "the statement is doubted")
        case Outcome.WAITING:
            await job_runs.record(connection, job, ran.day, counts)
