"""Plans, test clocks and committed subscriptions in Postgres."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages.subscription_events import AttemptView, PeriodView, SubscriptionChanged
from billing.messages.topics import SUBSCRIPTIONS
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import Price
from ingest_api.postgres import reading, writing
from storage import test_clocks
from storage.journal.story import TimelineEntry, timeline_entries
from storage.journal.timeline import journal_of, subscription_changes_after
from storage.payments.lists import Cursor
from storage.subscriptions import lists, plans
from storage.subscriptions.lists import SubscriptionFilters
from storage.subscriptions.plans import Change, NewPrice, Plan
from storage.test_clocks import ClockState, TestClock

_PLANS = "plans"
_SUBSCRIPTIONS = "subscriptions"
_CLOCKS = "test clocks"


class PostgresPlans:
    """Reads and writes plans and prices; 503 while Postgres is unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def plans(self, client_id: str) -> list[Plan]:
        """The client's plans, by id."""
        async with reading(self._engine, _PLANS) as connection:
            return await plans.list_plans(connection, client_id)

    async def plan(self, client_id: str, id: str) -> Plan | None:
        """The client's plan."""
        async with reading(self._engine, _PLANS) as connection:
            return await plans.find_plan(connection, client_id, id)

    async def price(self, client_id: str, id: UUID) -> Price | None:
        """A price of one of the client's plans."""
        async with reading(self._engine, _PLANS) as connection:
            return await plans.find_price(connection, client_id, id)

    async def create(self, change: Change, id: str, group: str, title: str) -> bool:
        """Make a plan; ``False``: this command made it before. Raises :class:`~storage.subscriptions.plans.PlanRefused`."""
        async with writing(self._engine, _PLANS) as connection:
            return await plans.create_plan(connection, change, id, group, title)

    async def add_price(self, change: Change, plan_id: str, new: NewPrice) -> tuple[Price, bool]:
        """The next version of a price, and whether it is new. Raises
        :class:`~storage.subscriptions.plans.PlanRefused`."""
        async with writing(self._engine, _PLANS) as connection:
            return await plans.add_price(connection, change, plan_id, new)

    async def archive(self, client_id: str, id: str, *, by: str, at: datetime) -> bool:
        """No subscription begins with the plan any more; ``False``: it was archived before, or does not exist."""
        async with writing(self._engine, _PLANS) as connection:
            return await plans.archive_plan(connection, client_id, id, by=by, at=at)


class PostgresSubscriptions:
    """Reads subscriptions; 503 while Postgres is unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def subscription(self, client_id: str, id: UUID) -> Subscription | None:
        """The client's subscription."""
        async with reading(self._engine, _SUBSCRIPTIONS) as connection:
            return await lists.find_subscription(connection, client_id, id)

    async def subscriptions(
        self, client_id: str, filters: SubscriptionFilters, after: Cursor | None, limit: int
    ) -> list[Subscription]:
        """A page of the client's subscriptions."""
        async with reading(self._engine, _SUBSCRIPTIONS) as connection:
            return await lists.list_subscriptions(connection, client_id, filters, after, limit)

    async def periods(self, id: UUID) -> list[PeriodView]:
        """The periods of a subscription."""
        async with reading(self._engine, _SUBSCRIPTIONS) as connection:
            return await lists.periods_of(connection, id)

    async def attempts(self, id: UUID) -> list[AttemptView]:
        """The attempts of a subscription."""
        async with reading(self._engine, _SUBSCRIPTIONS) as connection:
            return await lists.attempts_of(connection, id)

    async def timeline(self, id: UUID) -> list[TimelineEntry]:
        """Everything that happened to a subscription."""
        async with reading(self._engine, _SUBSCRIPTIONS) as connection:
            return timeline_entries(await journal_of(connection, id, SUBSCRIPTIONS.name), ())

    async def changes(self, id: UUID, version: int, limit: int) -> list[SubscriptionChanged]:
        """The changes in the journal after ``version``."""
        async with reading(self._engine, _SUBSCRIPTIONS) as connection:
            return await subscription_changes_after(connection, id, version, limit)

    async def charged_with(self, method_id: UUID) -> list[UUID]:
        """The subscriptions that a saved method is charged for."""
        async with reading(self._engine, _SUBSCRIPTIONS) as connection:
            return list(await lists.charged_with(connection, method_id))


class PostgresTestClocks:
    """Reads and writes test clocks; 503 while Postgres is unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(self, clock: TestClock, fingerprint: str) -> bool:
        """Make a clock; ``False``: it was made before. Raises :class:`~storage.test_clocks.ClockRefused`."""
        async with writing(self._engine, _CLOCKS) as connection:
            return await test_clocks.create(connection, clock, fingerprint)

    async def clock(self, client_id: str, id: UUID) -> ClockState | None:
        """A client's clock, and the number of its subscriptions and of their charges under way."""
        async with reading(self._engine, _CLOCKS) as connection:
            return await test_clocks.read(connection, client_id, id)

    async def advance(self, id: UUID, to: datetime) -> None:
        """Let a clock go on to ``to`` (UTC). Raises :class:`~storage.test_clocks.ClockRefused`."""
        async with writing(self._engine, _CLOCKS) as connection:
            await test_clocks.advance(connection, id, to)

    async def has_room(self, id: UUID, subscription: UUID) -> bool:
        """Whether the subscription may live by the clock beside the committed ones."""
        async with reading(self._engine, _CLOCKS) as connection:
            return await test_clocks.has_room(connection, id, subscription)
