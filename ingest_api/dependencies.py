"""What the endpoints work with: handed to the application when it is made, and to each endpoint by FastAPI."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Depends, Request

from billing.messages import PaymentChanged, Refusal
from billing.messages.subscription_events import AttemptView, PeriodView, SubscriptionChanged
from billing.payments.model import Payment
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import Price
from ingest_api.auth.admission import Admission
from ingest_api.edge.idempotency import RecentKeys
from ingest_api.instance import Instance
from ingest_api.kafka.change_streams import ChangeStreams
from ingest_api.kafka.replies import WaitingRequests
from ingest_api.metrics import Metrics
from ingest_api.routing.selection import ProviderSelector
from providers.base import CallbackVerifier
from providers.plugin import ProviderPlugin
from runtime.settings import IngestSettings
from storage.journal.story import TimelineEntry
from storage.payments.lists import Cursor, Filters
from storage.saved_methods import StoredMethod
from storage.subscriptions.lists import SubscriptionFilters
from storage.subscriptions.plans import Change, NewPrice, Plan
from storage.test_clocks import ClockState, TestClock


class Writer(Protocol):
    """Stores commands and callbacks before they are answered."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def unready(self) -> str | None:
        """Why nothing can be stored now; ``None`` when messages can be stored."""

    async def store(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Return once the message is stored; raise :class:`~ingest_api.kafka.writer.NotStored` otherwise."""


class Replies(Protocol):
    """The replies that the payments agent sends to this process."""

    @property
    def partition(self) -> int | None:
        """Our partition of the replies topic; ``None`` until it is assigned."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Reads(Protocol):
    """Committed payments, as far as clients may read them."""

    async def payment(self, client_id: str, payment_id: UUID) -> Payment | None:
        """The client's payment; ``None`` when it has none with this id."""

    async def refusal(self, client_id: str, payment_id: UUID, operation_id: UUID | None) -> Refusal | None:
        """Why the payments agent refused an accepted command: the one for this operation, or with ``None`` the one
        that was to open the payment."""

    async def payments(self, client_id: str, filters: Filters, after: Cursor | None, limit: int) -> list[Payment]:
        """At most ``limit`` of the client's payments, newest first, starting behind ``after``."""

    async def changes(self, payment_id: UUID, version: int, limit: int) -> list[PaymentChanged]:
        """The payment's next changes after ``version``, at most ``limit``; empty when there are none."""

    async def timeline(self, payment_id: UUID) -> list[TimelineEntry]:
        """Everything that happened to a payment, in order."""

    async def answers(self) -> bool:
        """Whether the store of the payments answers now; within a second."""

    async def is_understood(self, type: str) -> bool:
        """Whether every running worker knows this type of message."""

    async def close(self) -> None: ...


class Methods(Protocol):
    """Saved methods of a client's customers."""

    async def method(self, client_id: str, method_id: UUID) -> StoredMethod | None:
        """The client's method with this id, whatever its status."""

    async def methods(self, client_id: str, customer_id: str) -> list[StoredMethod]:
        """A customer's methods that are not removed."""

    async def remove(self, client_id: str, method_id: UUID) -> bool:
        """Remove a method: once this returns, no charge of it is sent. ``False``: it was removed before."""


class Plans(Protocol):
    """Plans and prices of clients. ``client_id``: whose."""

    async def plans(self, client_id: str) -> list[Plan]:
        """By id."""

    async def plan(self, client_id: str, id: str) -> Plan | None:
        """``None``: there is none with this id."""

    async def price(self, client_id: str, id: UUID) -> Price | None:
        """``None``: there is none with this id."""

    async def create(self, change: Change, id: str, group: str, title: str) -> bool:
        """Make a plan; ``False``: this command made it before. Raises :class:`~storage.subscriptions.plans.PlanRefused`."""

    async def add_price(self, change: Change, plan_id: str, new: NewPrice) -> tuple[Price, bool]:
        """The next version of a price, and whether it is new. Raises :class:`~storage.subscriptions.plans.PlanRefused`."""

    async def archive(self, client_id: str, id: str, *, by: str, at: datetime) -> bool:
        """No subscription begins with the plan any more; ``False``: it was archived before, or does not exist."""


class Subscriptions(Protocol):
    """Committed subscriptions. ``client_id``: whose."""

    async def subscription(self, client_id: str, id: UUID) -> Subscription | None:
        """``None``: the client has none with this id."""

    async def subscriptions(
        self, client_id: str, filters: SubscriptionFilters, after: Cursor | None, limit: int
    ) -> list[Subscription]:
        """At most ``limit``, newest first, starting behind ``after``."""

    async def periods(self, id: UUID) -> list[PeriodView]:
        """In order."""

    async def attempts(self, id: UUID) -> list[AttemptView]:
        """By period and number."""

    async def timeline(self, id: UUID) -> list[TimelineEntry]:
        """Everything that happened, in order."""

    async def changes(self, id: UUID, version: int, limit: int) -> list[SubscriptionChanged]:
        """The next changes after ``version``, at most ``limit``; empty when there are none."""

    async def charged_with(self, method_id: UUID) -> list[UUID]:
        """The subscriptions that a saved method is charged for."""


class TestClocks(Protocol):
    """Test clocks of clients. ``client_id``: whose. Raises :class:`~storage.test_clocks.ClockRefused`."""

    async def create(self, clock: TestClock, fingerprint: str) -> bool:
        """Make a clock; ``False``: it was made before."""

    async def clock(self, client_id: str, id: UUID) -> ClockState | None:
        """``None``: the client has none with this id."""

    async def advance(self, id: UUID, to: datetime) -> None:
        """Let a clock that exists go on to ``to`` (UTC)."""

    async def has_room(self, id: UUID, subscription: UUID) -> bool:
        """Whether the subscription may live by the clock beside the committed ones."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """``clock`` gives the time in UTC; ``new_id`` an id that is never given twice. ``sandboxes``: the providers at
    which no real money moves."""

    settings: IngestSettings
    instance: Instance
    metrics: Metrics
    admission: Admission
    writer: Writer
    replies: Replies
    waiting: WaitingRequests
    recent_keys: RecentKeys
    changes: ChangeStreams[PaymentChanged]
    subscription_changes: ChangeStreams[SubscriptionChanged]
    reads: Reads
    methods: Methods
    plans: Plans
    subscriptions: Subscriptions
    test_clocks: TestClocks
    providers: Mapping[str, ProviderPlugin[Any, Any]]
    verifiers: Mapping[str, CallbackVerifier]
    sandboxes: Collection[str]
    selector: ProviderSelector
    clock: Callable[[], datetime]
    new_id: Callable[[], str]


async def _of_the_application(request: Request) -> Dependencies:
    found: Dependencies = request.app.state.dependencies
    return found


#: The dependencies as a parameter of an endpoint.
Injected = Annotated[Dependencies, Depends(_of_the_application)]
