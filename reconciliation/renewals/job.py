"""One run of the renewal job.

It keeps no state but the pace: who is due is asked of Postgres, by Postgres' clock. So whatever a run did not come to, or
a process that died, is still due for the next; what was woken twice is not due the second time.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.messages.subscription_commands import ProviderState, Wake
from reconciliation.inbox import Waiting
from reconciliation.metrics import Metrics
from reconciliation.renewals.brake import clocks_apart, mostly_ours, over_forecast, recorded, too_many_missing
from reconciliation.renewals.pace import Bounds, Pace
from reconciliation.wake_ups import wake_ups
from runtime.clock import utc_now
from runtime.kafka.publisher import Publisher
from storage import job_runs
from storage.job_runs import RENEWALS, JobRun
from storage.processes.leases import is_understood
from storage.processes.locks import Lock, held
from storage.providers.switches import open_breakers, switches
from storage.subscriptions import attempts
from storage.subscriptions.due import Cursor, Kind, backlog, page
from storage.subscriptions.forecast import forecast, left_over

log = structlog.get_logger(__name__)

#: A run ends after this long, seconds: the next one, a minute after the start of this one, begins with what is due longest.
RUN_S: Final = 50.0
#: How long a run waits for room, seconds.
WAIT_S: Final = 1.0
#: While a provider is not called, access that runs out within this time is extended.
AT_RISK: Final = timedelta(hours=6)
#: How often those are looked for, seconds: often enough for the six hours.
AT_RISK_EVERY_S: Final = 600.0


class Outcome(StrEnum):
    """Why a run ended."""

    DONE = "done"
    """Nothing that may be woken is due."""
    OUT_OF_TIME = "out of time"
    BUSY = "another run is under way"
    BRAKED = "braked"
    NO_WORKER = "no worker runs, or one of a release that does not know wake-ups"


class Run(NamedTuple):
    """A run, and how many wake-ups it sent. ``brake``: why it may not go on."""

    outcome: Outcome
    woken: int = 0
    brake: str | None = None


class RenewalJob:
    """The job of one process. ``zone``: the business zone. ``waiting``: messages of the inbox that are not processed."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        waiting: Waiting,
        metrics: Metrics,
        *,
        zone: str,
        bounds: Bounds,
        host_clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._engine = engine
        self._statements = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._publisher = publisher
        self._waiting = waiting
        self._metrics = metrics
        self._zone = zone
        self._host_clock = host_clock
        self._pace = Pace(bounds)
        self._at_risk_seen: dict[str, float] = {}
        self._stopping = False

    def stop(self) -> None:
        """End the run under way after its page."""
        self._stopping = True

    async def run(self, seconds: float = RUN_S) -> Run:
        """Wake the subscriptions that are due, for at most so many seconds. One run at a time, over all processes."""
        async with held(self._engine, Lock.RENEWALS) as got:
            if not got:
                return Run(Outcome.BUSY)
            async with self._statements.connect() as connection:
                if not await is_understood(connection, Wake.TYPE):
                    return Run(Outcome.NO_WORKER)
                braked = await self._braked(connection)
                self._metrics.braked(braked is not None)
                if braked is not None:
                    return Run(Outcome.BRAKED, brake=braked.brake)
                return await self._wake_all(connection, time.monotonic() + seconds)

    async def _braked(self, connection: AsyncConnection) -> JobRun | None:
        """Open the run of the business date, unless a brake stops it; the brake."""
        braked = await job_runs.braked(connection, RENEWALS)
        if braked is not None:
            return braked
        today = await job_runs.business_date(connection, self._zone)
        last = next(iter(await job_runs.latest(connection, RENEWALS)), None)
        if last is None or last.business_date < today:
            reason = await self._open(connection, last, today)
            released = False
        else:
            reason, released = None, last.released_by is not None
        reason = reason or await self._looks_absurd(connection, released=released)
        if reason is None:
            return None
        await job_runs.brake(connection, RENEWALS, today, reason)
        log.error("renewals are stopped", business_date=str(today), reason=reason)
        return await job_runs.braked(connection, RENEWALS)

    async def _open(self, connection: AsyncConnection, last: JobRun | None, today: date) -> str | None:
        """Record the plan of a new business date; why it must not begin. The dates on which nothing ran are opened with
        it, and finished with it: what was due on them is due still."""
        first = today if last is None else last.business_date + timedelta(days=1)
        dates = [first + timedelta(days=n) for n in range((today - first).days + 1)]
        plan = await forecast(connection, self._zone, today)
        reason = too_many_missing(dates[:-1])
        if reason is None and last is not None:
            left = await left_over(connection, self._zone, last.business_date)
            reason = over_forecast(plan, left, last, today)
        async with self._engine.begin() as transaction:
            await job_runs.open_runs(transaction, RENEWALS, dates)
            await job_runs.record(transaction, RENEWALS, today, recorded(plan))
            if reason is not None:
                await job_runs.brake(transaction, RENEWALS, today, reason)
        log.info("business date opened", business_date=str(today), missed=len(dates) - 1)
        return reason

    async def _looks_absurd(self, connection: AsyncConnection, *, released: bool) -> str | None:
        """``released``: somebody let this date go on, whatever the clocks say."""
        reason = None
        if not released:
            reason = clocks_apart(await job_runs.postgres_clock(connection), self._host_clock())
        since = await job_runs.last_braked_at(connection, RENEWALS) or attempts.BEGINNING
        for provider in await attempts.providers(connection):
            ended = await attempts.recent(connection, provider, since)
            self._metrics.ended(provider, ended)
            reason = reason or mostly_ours(provider, ended)
        return reason

    async def _wake_all(self, connection: AsyncConnection, deadline: float) -> Run:
        today = await job_runs.business_date(connection, self._zone)
        due = await backlog(connection)
        now = await job_runs.postgres_clock(connection)
        self._metrics.due(due, now)
        oldest = min((provider.oldest for provider in due), default=now)
        await job_runs.finish(connection, RENEWALS, await job_runs.date_of(connection, self._zone, oldest))
        lanes = [_Lane(provider.provider, kind) for provider in due for kind in (Kind.OTHERS, Kind.CHARGES)]
        woken = 0
        while lanes and time.monotonic() < deadline and not self._stopping:
            sent, lanes = await self._round(connection, lanes)
            if sent:
                await job_runs.add(connection, RENEWALS, today, "woken", sent)
                woken += sent
            elif lanes:
                await asyncio.sleep(WAIT_S)
        return Run(Outcome.OUT_OF_TIME if lanes else Outcome.DONE, woken)

    async def _round(self, connection: AsyncConnection, lanes: list["_Lane"]) -> tuple[int, list["_Lane"]]:
        """One page of each lane, as far as there is room; how many were woken, and the lanes that have more."""
        states = await provider_states(connection, self._host_clock())
        unanswered = await attempts.unanswered(connection)
        waiting = await self._waiting()
        total, left = 0, []
        for lane in lanes:
            state = states.get(lane.provider, ProviderState.OK)
            kind, room = self._room(lane, state, unanswered.get(lane.provider, 0), waiting)
            if kind is None:
                continue
            sent = await self._page(connection, lane, kind, state, room) if room else 0
            waiting, total = waiting + sent, total + sent
            if sent == room:
                left.append(lane)
        return total, left

    def _room(self, lane: "_Lane", state: ProviderState, unanswered: int, waiting: int) -> tuple[Kind | None, int]:
        """What to read for a lane and how many; ``None``: nothing more in this run."""
        if lane.kind is Kind.OTHERS:
            return Kind.OTHERS, self._pace.room_for_others(waiting)
        if state is ProviderState.OK:
            return Kind.CHARGES, self._pace.room(lane.provider, unanswered, waiting)
        seen = self._at_risk_seen.get(lane.provider)
        if lane.paged is not Kind.AT_RISK and seen is not None and time.monotonic() - seen < AT_RISK_EVERY_S:
            return None, 0
        return Kind.AT_RISK, self._pace.room_for_others(waiting)

    async def _page(
        self, connection: AsyncConnection, lane: "_Lane", kind: Kind, state: ProviderState, room: int
    ) -> int:
        if kind is Kind.AT_RISK:
            self._at_risk_seen[lane.provider] = time.monotonic()
        rows = await page(connection, lane.provider, kind, lane.after(kind), room, AT_RISK)
        if not rows:
            return 0
        due = [(row.id, row.what, row.method_id) for row in rows]
        await self._publisher.publish(await wake_ups(connection, due, rows[0].at, state))
        lane.cursor = Cursor(rows[-1].position, rows[-1].id)
        if kind is Kind.CHARGES:
            self._pace.spend(lane.provider, len(rows))
        self._metrics.woken(lane.provider, kind.value, len(rows))
        return len(rows)


class _Lane:
    """How far a run came with the charges of a provider, or with its other appointments."""

    def __init__(self, provider: str, kind: Kind) -> None:
        self.provider = provider
        self.kind = kind
        self.paged = kind
        self.cursor = Cursor()

    def after(self, kind: Kind) -> Cursor:
        """Where the next page begins: from the start where the provider was switched meanwhile, for the order is another."""
        if kind is not self.paged:
            self.paged, self.cursor = kind, Cursor()
        return self.cursor


async def provider_states(connection: AsyncConnection, now: datetime) -> Mapping[str, ProviderState]:
    """The providers that are not called at ``now`` (UTC)."""
    held_back = {breaker.provider: ProviderState.HELD for breaker in await open_breakers(connection, now)}
    off = {name: ProviderState.OFF for name, switch in (await switches(connection)).items() if not switch.enabled}
    return held_back | off
