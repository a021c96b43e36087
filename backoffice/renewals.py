"""Renewals of subscriptions: what is due, what will be, a run now, and the release of one that is braked."""

from datetime import date, datetime
from typing import Final

import msgspec

from backoffice.operators import ActionRefused, Operator, recorded
from billing.messages.subscription_commands import ProviderState
from reconciliation.inbox import waiting_in_inbox
from reconciliation.metrics import Metrics
from reconciliation.renewals.job import RenewalJob, Run, provider_states
from reconciliation.renewals.pace import Bounds
from runtime.clock import utc_now
from runtime.kafka.clients import new_consumer, new_producer
from runtime.kafka.publisher import Publisher
from runtime.postgres import connected
from runtime.settings import PostgresSettings, SchedulerSettings
from storage import job_runs
from storage.job_runs import RENEWALS
from storage.subscriptions import attempts
from storage.subscriptions.attempts import BEGINNING
from storage.subscriptions.due import backlog
from storage.subscriptions.forecast import DueOn, forecast

#: Business dates that the status shows.
DATES: Final = 10
#: A forecast reads every subscription, seconds.
FORECAST_TIMEOUT_S: Final = 300.0


class DateStatus(msgspec.Struct, frozen=True):
    """The run of a business date. ``planned``: charges that were due on it when it began; ``woken``: wake-ups sent."""

    business_date: date
    started_at: datetime
    finished_at: datetime | None
    planned: int
    woken: int
    braked_at: datetime | None
    brake: str | None
    released_by: str | None
    release_reason: str | None


class ProviderStatus(msgspec.Struct, frozen=True):
    """The renewals of a provider. ``due``: subscriptions that are due, the oldest since ``oldest_due_at`` (UTC);
    ``unanswered``: charges of which nothing is known yet; ``recent``: how the last ended, class of the decline or state."""

    provider: str
    state: ProviderState
    due: int
    oldest_due_at: datetime | None
    unanswered: int
    recent: dict[str, int]


class RenewalsStatus(msgspec.Struct, frozen=True):
    """``braked``: the date whose run waits for a release."""

    braked: date | None
    dates: list[DateStatus]
    providers: list[ProviderStatus]


async def status(settings: PostgresSettings) -> RenewalsStatus:
    """How the renewals stand."""
    async with connected(settings) as engine, engine.connect() as connection:
        braked = await job_runs.braked(connection, RENEWALS)
        due = {one.provider: one for one in await backlog(connection)}
        unanswered = await attempts.unanswered(connection)
        states = await provider_states(connection, utc_now())
        names = due.keys() | unanswered.keys() | states.keys() | set(await attempts.providers(connection))
        return RenewalsStatus(
            None if braked is None else braked.business_date,
            [_date(run) for run in await job_runs.latest(connection, RENEWALS, DATES)],
            [
                ProviderStatus(
                    name,
                    states.get(name, ProviderState.OK),
                    due[name].number if name in due else 0,
                    due[name].oldest if name in due else None,
                    unanswered.get(name, 0),
                    await attempts.recent(connection, name, BEGINNING),
                )
                for name in sorted(names)
            ],
        )


async def plan(settings: SchedulerSettings, dates: int) -> list[DueOn]:
    """What will be charged today and on so many dates after it, if every subscription renews."""
    async with (
        connected(settings, command_timeout_s=FORECAST_TIMEOUT_S) as engine,
        engine.connect() as connection,
    ):
        today = await job_runs.business_date(connection, settings.business_zone)
        return await forecast(connection, settings.business_zone, today, dates)


async def run_now(settings: SchedulerSettings) -> Run:
    """One run, as the scheduler makes it every minute, and in its place: one runs at a time."""
    producer, consumer = new_producer(settings), new_consumer(settings)
    async with connected(settings, command_timeout_s=FORECAST_TIMEOUT_S) as engine:
        try:
            await producer.start()
            await consumer.start()
            job = RenewalJob(
                engine,
                Publisher(producer),
                waiting_in_inbox(producer, consumer, engine),
                Metrics(),
                zone=settings.business_zone,
                bounds=Bounds(per_s=settings.renewals_per_s),
            )
            return await job.run()
        finally:
            await producer.stop()
            await consumer.stop()


async def release(settings: PostgresSettings, operator: Operator, business_date: date) -> None:
    """Let the renewals of a braked date go on. Raises :class:`ActionRefused` where the date is not braked."""
    async with (
        connected(settings) as engine,
        recorded(engine, operator, "release_renewals", "job_run", f"{RENEWALS}/{business_date}") as record,
        engine.begin() as connection,
    ):
        if not await job_runs.release(connection, RENEWALS, business_date, operator.name, operator.reason):
            raise ActionRefused(f"the renewals of {business_date} are not braked")
        await record.complete(connection)


def _date(run: job_runs.JobRun) -> DateStatus:
    planned = sum(due["number"] for due in run.counts.get("plan", []) if due["date"] == str(run.business_date))
    return DateStatus(
        run.business_date,
        run.started_at,
        run.finished_at,
        planned,
        run.counts.get("woken", 0),
        run.braked_at,
        run.brake,
        run.released_by,
        run.release_reason,
    )
