"""What a run that a person asks for would meet."""

from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from backoffice.clearing.runs import DayState, DayStatus, day_status
from providers.settlement import Settlement
from reconciliation.clearing.job import cleared_before, job_name
from runtime.postgres import connected
from runtime.settings import PostgresSettings
from storage import job_runs
from storage.books.closing import period
from storage.processes.locks import Lock, is_held


class Outlook(msgspec.Struct, frozen=True):
    """A business day of a provider before a run. ``status``: ``None`` where it has none yet. ``ends_at``: of the day;
    ``ready_at``: when its statement can be relied on (UTC). ``under_way``: a run of the provider. ``doubted``: another day
    whose statement is doubted, which stops the provider's clearing; ``earlier``: days that are cleared before it.
    ``again``: days whose statements are read again with its own. ``is_closed``: its day of the books."""

    status: DayStatus | None
    ends_at: datetime
    ready_at: datetime
    under_way: bool
    doubted: date | None
    earlier: tuple[date, ...]
    again: tuple[date, ...]
    is_closed: bool

    @property
    def is_doubted(self) -> bool:
        """A person has to let the statement of the day itself go on."""
        return self.status is not None and self.status.state is DayState.SUSPECT

    @property
    def is_asked_for(self) -> bool:
        """Somebody asked for a run that has not ended."""
        return self.status is not None and self.status.state is DayState.OPEN and self.status.request is not None


async def outlook_of(
    settings: PostgresSettings, settlements: Mapping[str, Settlement], provider: str, day: date
) -> Outlook:
    """How the day stands for a run. ``settlements``: of all providers, by name, ``provider`` among them."""
    settlement, job = settlements[provider], job_name(provider)
    async with connected(settings) as engine, engine.connect() as connection:
        braked = await job_runs.braked(connection, job)
        waiting = await job_runs.unfinished(connection, job)
        ends_at = settlement.business_day(day)[1]
        return Outlook(
            status=await day_status(connection, provider, day),
            ends_at=ends_at,
            ready_at=ends_at + settlement.ready_after,
            under_way=await is_held(connection, Lock.CLEARING, provider),
            doubted=None if braked is None or braked.business_date == day else braked.business_date,
            earlier=tuple(run.business_date for run in waiting if run.business_date < day and not run.is_braked),
            again=tuple(await cleared_before(connection, provider, day, settlement.reread)),
            is_closed=day < (await period(connection)).first_open,
        )
