"""What a run that a person asks for would meet."""

from collections.abc import Mapping
from datetime import date, datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.clearing.runs import DayState, DayStatus, day_status
from providers.settlement import Settlement
from reconciliation.clearing.job import cleared_before, job_name
from runtime.postgres import connected
from runtime.settings import ClearingSettings
from storage import job_runs
from storage.books.closing import period
from storage.clearing.compare import first_movement
from storage.processes.leases import SCHEDULER, live
from storage.processes.locks import Lock, is_held


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The business day ``day`` of a provider before a run. ``status``: ``None`` where it has none yet. ``first``: the first day that
    is cleared; ``None`` before money moves. ``ends_at``: of the day; ``ready_at``: when its statement can be relied on
    (UTC). ``under_way``: a run of the provider; ``has_scheduler``: one runs now. ``doubted``: another day whose statement is
    doubted, which stops the provider's clearing; ``earlier``: days that are cleared before it. ``again``: days whose
    statements are read again with its own. ``first_open``: of the books."""

    provider: str
    day: date
    status: DayStatus | None
    first: date | None
    ends_at: datetime
    ready_at: datetime
    under_way: bool
    has_scheduler: bool
    doubted: date | None
    earlier: tuple[date, ...]
    again: tuple[date, ...]
    first_open: date

    @property
    def is_doubted(self) -> bool:
        """A person has to let the statement of the day itself go on."""
        return self.status is not None and self.status.state is DayState.SUSPECT

    @property
    def is_open(self) -> bool:
        """Its run is to come or under way, and nobody is asked."""
        return self.status is not None and self.status.state is DayState.OPEN


async def outlook_of(
    settings: ClearingSettings, settlements: Mapping[str, Settlement], provider: str, day: date
) -> Outlook:
    """How the day stands for a run. ``settlements``: of all providers, by name, ``provider`` among them."""
    settlement, job = settlements[provider], job_name(provider)
    async with connected(settings) as engine, engine.connect() as connection:
        braked = await job_runs.braked(connection, job)
        waiting = await job_runs.unfinished(connection, job)
        ends_at = settlement.business_day(day)[1]
        return Outlook(
            provider=provider,
            day=day,
            status=await day_status(connection, provider, day),
            first=await _first(connection, settings, settlement, provider),
            ends_at=ends_at,
            ready_at=ends_at + settlement.ready_after,
            under_way=await is_held(connection, Lock.CLEARING, provider),
            has_scheduler=await live(connection, SCHEDULER) > 0,
            doubted=None if braked is None or braked.business_date == day else braked.business_date,
            earlier=tuple(run.business_date for run in waiting if run.business_date < day and not run.is_braked),
            again=tuple(await cleared_before(connection, provider, day, settlement.reread)),
            first_open=(await period(connection)).first_open,
        )


async def _first(
    connection: AsyncConnection, settings: ClearingSettings, settlement: Settlement, provider: str
) -> date | None:
    ran, moved = await job_runs.first_date(connection, job_name(provider)), await first_movement(connection, provider)
    began = None if moved is None else max(filter(None, (settlement.day_of(moved), settings.clearing_from)))
    return min(filter(None, (ran, began)), default=None)
