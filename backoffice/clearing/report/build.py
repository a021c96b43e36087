"""Gathers the report of a day."""

from collections.abc import Mapping
from datetime import date

from backoffice.clearing import closing, runs, stuck
from backoffice.clearing.report import balances, sections
from backoffice.clearing.report.model import Report
from backoffice.operators import ActionRefused, InvalidArgument
from billing.sentence import Sentence
from providers.settlement import Settlement
from reconciliation.clearing.closing import Readiness
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import ClearingSettings
from storage.clearing.report import Bounds

#: Found by each rule of what is stuck.
STUCK: int = 100


async def build(
    settings: ClearingSettings, settlements: Mapping[str, Settlement], day: date, provider: str | None = None
) -> Report:
    """The report of a business day, of one provider or all. ``settlements``: of all providers, by name. Raises
    :class:`~backoffice.operators.InvalidArgument` for a provider that there is not."""
    if provider is not None and provider not in settlements:
        raise InvalidArgument(f"there is no provider {provider}: {', '.join(sorted(settlements))}")
    names = sorted(settlements) if provider is None else [provider]
    bounds = [Bounds(name, day, *settlements[name].business_day(day)) for name in names]
    days = await runs.status(settings, provider, since=day, until=day, limit=1)
    try:
        balance: closing.DayBalance | None = await closing.balance_of(settings, day)
        tied: Readiness | None = await closing.tie_outs_of(settings, settlements, day)
    except ActionRefused:  # the books had not begun, or the day has not
        balance = tied = None
    is_stuck = [one for one in await stuck.find(settings, STUCK) if provider in (None, one.provider)]
    now = utc_now()
    async with connected(settings, command_timeout_s=closing.TIMEOUT_S) as engine, engine.connect() as connection:
        # All of them see the same moment.
        await connection.execution_options(isolation_level="REPEATABLE READ")
        made = (
            sections.providers(bounds, days),
            await sections.totals(connection, bounds),
            await balances.roll_forward(connection, bounds),
            balances.tie_out(tied, provider),
            sections.trial_balance(balance),
            await sections.discrepancies(connection, day, provider, now),
            await sections.late(connection, day, provider, now),
            await sections.unconfirmed(connection, day, provider, now),
            await sections.fees(connection, bounds),
            await sections.payouts(connection, bounds),
            await sections.chargebacks(connection, bounds),
            await sections.lost_callbacks(connection, bounds),
            sections.stuck(is_stuck),
            await sections.corrections(connection, day, provider),
        )
    closed = None
    if balance is not None and balance.closed_at is not None:
        closed = Sentence(
            "%(time)s by %(who)s, hash %(hash)s",
            time=balance.closed_at,
            who=str(balance.closed_by),
            hash=str(balance.hash),
        )
    return Report(day, provider, now, closed, made)
