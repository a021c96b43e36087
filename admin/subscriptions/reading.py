"""Everything that a subscription's page shows, read in one snapshot."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.problems import Problem
from backoffice.subscriptions import time_of
from billing.messages.subscription_events import AttemptView, PeriodView
from billing.messages.topics import SUBSCRIPTIONS
from billing.subscriptions.model import Subscription
from runtime.http.problems import ProblemError
from storage import approvals
from storage.approvals import Approval
from storage.journal.story import TimelineEntry, timeline_entries
from storage.journal.timeline import latest_of
from storage.subscriptions.lists import latest_attempts, latest_periods
from storage.subscriptions.rows import load_subscriptions

#: Periods, attempts, and messages of the journal on a page.
PERIODS: Final = 24
ATTEMPTS: Final = 24
MESSAGES: Final = 60
#: More than there can be.
_MAX: Final = 2**31 - 1


class Places(NamedTuple):
    """Where each list of the page begins: before this period, attempt (period and number), or message (partition and
    offset); ``None``: with the latest."""

    period: int | None = None
    attempt: tuple[int, int] | None = None
    message: tuple[int, int] | None = None


class Story(NamedTuple):
    """``at``: the time (UTC) of the test clock by which it lives, ``None``: real time. ``following``: where the next pages
    of the lists begin, ``None`` at the end of a list; ``approvals``: requests about it, the newest first."""

    subscription: Subscription
    at: datetime | None
    periods: list[PeriodView]
    attempts: list[AttemptView]
    timeline: list[TimelineEntry]
    following: Places
    approvals: list[Approval]


async def read_subscription(engine: AsyncEngine, id: UUID) -> tuple[Subscription, datetime | None]:
    """The subscription, and the time (UTC) of the test clock by which it lives; ``None``: real time. Raises
    :class:`ProblemError` 404."""
    async with engine.connect() as connection:
        found = await _find(connection, id)
        return found, await time_of(connection, found)


async def read_story(engine: AsyncEngine, id: UUID, places: Places) -> Story:
    """The subscription and what is on record about it. Raises :class:`ProblemError` 404."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        found = await _find(connection, id)
        at = await time_of(connection, found)
        periods = await latest_periods(connection, id, places.period or _MAX, PERIODS + 1)
        attempts = await latest_attempts(connection, id, places.attempt or (_MAX, 0), ATTEMPTS + 1)
        requests = await approvals.about(connection, id)
        journal = await latest_of(connection, id, SUBSCRIPTIONS.name, places.message, MESSAGES + 1)
    shown = journal[-MESSAGES:]
    following = Places(
        periods[PERIODS - 1].number if len(periods) > PERIODS else None,
        (attempts[ATTEMPTS - 1].period, attempts[ATTEMPTS - 1].number) if len(attempts) > ATTEMPTS else None,
        (shown[0].partition, shown[0].offset) if len(journal) > MESSAGES else None,
    )
    return Story(found, at, periods[:PERIODS], attempts[:ATTEMPTS], timeline_entries(shown, ()), following, requests)


async def _find(connection: AsyncConnection, id: UUID) -> Subscription:
    found = (await load_subscriptions(connection, [id])).get(id)
    if found is None:
        raise ProblemError(Problem.NO_SUBSCRIPTION)
    return found
