"""Runs of clearing: a day run now, and how days stand."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from backoffice.operators import ActionRefused, InvalidArgument, Note, Operator, recorded
from providers import registry
from providers.base import Provider
from providers.settlement import Settlement
from reconciliation.clearing.job import LIMITS, clear_day, job_name
from reconciliation.clearing.reading import step
from reconciliation.clearing.run import Ran
from runtime.clock import utc_now
from runtime.kafka.clients import new_producer
from runtime.kafka.publisher import OutboundMessage, Publisher
from runtime.postgres import connected
from runtime.settings import PostgresSettings, SchedulerSettings
from storage import job_runs
from storage.clearing.discrepancies import by_kind
from storage.processes.locks import Lock, is_held, writing

#: A day is compared in one statement, seconds.
STATEMENT_TIMEOUT_S = 900.0

#: Gets the provider, what is under way, and how many lines so far.
Progress = Callable[[str, str, int], None]


class StatementDoubted(ActionRefused):
    """A person has to look at the statement before the day can go on."""


class DayState(StrEnum):
    """How far a provider's business day is."""

    OPEN = "open"
    """It is to be run, or waits for its statement."""
    SUSPECT = "suspect"
    """Its statement is doubted: a person has to let it go on."""
    DONE = "done"


class DayStatus(msgspec.Struct, frozen=True):
    """A provider's business day. ``reason``: why it waits or is doubted; ``ran``: the counts of its last run;
    ``discrepancies``: by kind and state; ``request``: the run that a person asked for last. Times in UTC."""

    provider: str
    day: date
    state: DayState
    started_at: datetime
    finished_at: datetime | None
    reason: str | None
    ran: dict[str, Any]
    discrepancies: dict[str, dict[str, int]]
    request: job_runs.Request | None = None


async def run_day(
    settings: SchedulerSettings,
    day: date,
    names: Sequence[str],
    progress: Progress,
    *,
    believe: Operator | None = None,
    dry_run: bool = False,
) -> list[Ran]:
    """Clear a business day at these providers now, again where it is cleared; all of them where none is named. ``believe``:
    who has looked at a statement that was doubted, and why it may be believed. ``dry_run``: change nothing, tell nobody.
    Raises :class:`ActionRefused` where another run is under way."""
    async with _started(names) as providers, connected(settings, command_timeout_s=STATEMENT_TIMEOUT_S) as engine:
        producer = new_producer(settings)
        publisher = _Dry(producer) if dry_run else Publisher(producer)
        async with producer:
            return [
                await _run(engine, publisher, name, providers[name], day, progress, believe, dry_run=dry_run)
                for name in providers
            ]


async def _run(
    engine: AsyncEngine,
    publisher: Publisher,
    name: str,
    provider: Provider,
    day: date,
    progress: Progress,
    believe: Operator | None,
    *,
    dry_run: bool,
) -> Ran:
    if utc_now() < provider.capabilities.settlement.business_day(day)[1]:
        raise InvalidArgument(f"{day} is not over at {name}")
    async with writing(engine, Lock.CLEARING, name) as connection, AsyncExitStack() as stack:
        if connection is None:
            raise ActionRefused(f"another run of {name} is under way")
        if believe is not None and not dry_run:
            await stack.enter_async_context(
                recorded(engine, believe, "believe_statement", "job_run", f"{job_name(name)}/{day}")
            )
        if dry_run:
            await stack.enter_async_context(_tried_out(connection))
        async with step(connection):
            await job_runs.open_runs(connection, job_name(name), [day])
            if believe is not None:
                await job_runs.release(connection, job_name(name), day, believe.name, believe.reason)
        return await clear_day(
            connection, publisher, provider, name, day, now=utc_now, believe=believe is not None,
            on_progress=lambda what, number: progress(name, what, number),
        )  # fmt: skip


async def request(
    settings: PostgresSettings,
    settlements: Mapping[str, Settlement],
    operator: Operator,
    day: date,
    provider: str,
    *,
    believe: bool = False,
    key: UUID | None = None,
    alone: bool = False,
    note: Note | None = None,
) -> DayStatus:
    """Let the scheduler run a day at a provider again, or for the first time; returns how the day stands. It looks once a
    minute. ``settlements``: of all providers, by name. ``believe``: the operator has looked at a statement that was doubted.
    ``key``: the same however often the request is sent; a repeat changes nothing. ``alone``: not while a run of the
    provider is under way, whose end would count as that of this one. ``note``: records more in the same transaction, its
    last statement. Raises :class:`~backoffice.operators.InvalidArgument` where there is no such provider or the day is not
    over, :class:`~backoffice.operators.ActionRefused`, and :class:`StatementDoubted`."""
    if provider not in settlements:
        raise InvalidArgument(f"there is no such provider: {', '.join(sorted(settlements))}")
    if utc_now() < settlements[provider].business_day(day)[1]:
        raise InvalidArgument(f"{day} is not over at {provider}")
    job, details = job_name(provider), {"believe": True} if believe else {}
    asked = job_runs.Request(str(key or uuid4()), operator.name, operator.reason, utc_now())
    async with connected(settings) as engine:
        async with engine.connect() as connection:
            for run in await job_runs.of_date(connection, job, day):
                if run.request is not None and run.request.key == asked.key:
                    return await _status(connection, provider, run)
        async with (
            recorded(engine, operator, "request_run", "job_run", f"{job}/{day}", **details) as record,
            engine.begin() as connection,
        ):
            is_new = await job_runs.ask(connection, job, day, asked)
            if is_new and alone and await is_held(connection, Lock.CLEARING, provider):
                raise ActionRefused(f"a run of {provider} is under way")
            if is_new and believe:
                await job_runs.release(connection, job, day, operator.name, operator.reason)
            (run,) = await job_runs.of_date(connection, job, day)
            if run.is_braked:
                raise StatementDoubted(f"the statement of {day} is doubted: {run.brake}")
            record.details |= {} if is_new else {"repeated": True}
            await record.complete(connection)
            stands = await _status(connection, provider, run)
            if is_new and note is not None:
                await note(connection)
            return stands


async def status(
    settings: PostgresSettings,
    provider: str | None = None,
    *,
    since: date = date.min,
    until: date = date.max,
    state: DayState | None = None,
    limit: int,
) -> list[DayStatus]:
    """How the days from ``since`` to ``until`` stand, the latest first, at most ``limit`` of each provider."""
    async with connected(settings) as engine, engine.connect() as connection:
        found = []
        for name in [provider] if provider else sorted(registry.PLUGINS):
            runs = await job_runs.between(connection, job_name(name), since, until)
            chosen = [run for run in runs if state in (None, _state(run))][:limit]
            found += [await _status(connection, name, run) for run in chosen]
        return sorted(found, key=lambda one: (one.day, one.provider), reverse=True)


async def day_status(connection: AsyncConnection, provider: str, day: date) -> DayStatus | None:
    """How one day stands at one provider; ``None`` where it has no run."""
    found = await job_runs.of_date(connection, job_name(provider), day)
    return None if not found else await _status(connection, provider, found[0])


async def _status(connection: AsyncConnection, name: str, run: job_runs.JobRun) -> DayStatus:
    kinds: dict[str, dict[str, int]] = {}
    for kind, reached, number in await by_kind(connection, name, run.business_date):
        kinds.setdefault(kind, {})[reached] = number
    reason = run.brake if run.is_braked else run.counts.get("reason")
    ran = {name: number for name, number in run.counts.items() if name != "request"}
    return DayStatus(
        name, run.business_date, _state(run), run.started_at, run.finished_at, reason, ran, kinds, run.request
    )


def _state(run: job_runs.JobRun) -> DayState:
    if run.is_braked:
        return DayState.SUSPECT
    return DayState.OPEN if run.finished_at is None else DayState.DONE


@asynccontextmanager
async def _started(names: Sequence[str]) -> AsyncIterator[dict[str, Provider]]:
    found = registry.build_providers(registry.read_settings(), LIMITS)
    if unknown := sorted(set(names) - found.keys()):
        raise InvalidArgument(f"there is no provider {unknown[0]}: {', '.join(sorted(found))}")
    async with AsyncExitStack() as stack:
        chosen = {name: found[name] for name in sorted(names or found)}
        for provider in chosen.values():
            await provider.start()
            stack.push_async_callback(provider.close)
        yield chosen


@asynccontextmanager
async def _tried_out(connection: AsyncConnection) -> AsyncIterator[None]:
    """A transaction that is taken back at its end."""
    transaction = await connection.begin()
    try:
        yield
    finally:
        await transaction.rollback()


class _Dry(Publisher):
    """Publishes nothing."""

    async def publish(self, messages: Sequence[OutboundMessage]) -> None:
        """Publish nothing."""
