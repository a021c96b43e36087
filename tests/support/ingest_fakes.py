"""Fakes of what the ingest API depends on: a provider, Kafka, committed payments, API keys."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from billing.messages import CreatePayment, Message, PaymentChanged, Refusal, decode_envelope
from billing.messages.subscription_events import AttemptView, PeriodView, SubscriptionChanged
from billing.messages.topics import CALLBACKS, INBOX, SUBSCRIPTIONS
from billing.payments.model import Payment
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import Price, price_id
from billing.vocabulary import MethodStatus
from ingest_api.kafka.change_streams import C, ChangeStreams
from ingest_api.kafka.writer import NotStored
from providers.base import CallbackRejected, CallbackVerifier, VerifiedCallback
from storage.access.api_keys import StoredKey
from storage.access.key_ring import KeysUnavailable
from storage.journal.story import TimelineEntry
from storage.payments.lists import Cursor, Filters
from storage.saved_methods import StoredMethod
from storage.subscriptions.lists import SubscriptionFilters
from storage.subscriptions.plans import Change, NewPrice, Plan, PlanRefused
from storage.test_clocks import ClockRefused, ClockState, TestClock

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeVerifier(CallbackVerifier):
    """Accepts a callback with the header ``x-signature: good``."""

    def __init__(self) -> None:
        self.peers: list[str | None] = []

    async def verify(self, headers: Mapping[str, str], body: bytes, peer: str | None = None) -> VerifiedCallback:
        self.peers.append(peer)
        if headers.get("x-signature") != "good":
            raise CallbackRejected(403, b'{"status":"fail","reasonCode":"FORBIDDEN"}', "bad signature")
        return VerifiedCallback(order_ref="order-1", response=b'{"status":"success"}')


_INBOXES = (INBOX.name, SUBSCRIPTIONS.name)


@dataclass
class Record:
    topic: str
    key: bytes
    value: bytes
    headers: dict[str, bytes]


class RecordingWriter:
    """Remembers what was produced; ``unavailable`` imitates a lost broker; ``on_store`` imitates the agents."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.unavailable = False
        self.on_store: Callable[[Message], None] | None = None

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def unready(self) -> str | None:
        return "not connected to Kafka" if self.unavailable else None

    async def store(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        if self.unavailable:
            raise NotStored("no broker")
        self.records.append(Record(topic, key, value, dict(headers)))
        if topic in _INBOXES and self.on_store is not None:
            self.on_store(decode_envelope(value).open())

    @property
    def messages(self) -> list[Message]:
        return [decode_envelope(r.value).open() for r in self.records if r.topic in _INBOXES]

    @property
    def commands(self) -> list[CreatePayment]:
        return [message for message in self.messages if isinstance(message, CreatePayment)]

    @property
    def callbacks(self) -> list[Record]:
        return [r for r in self.records if r.topic == CALLBACKS.name]


@dataclass
class FakeReplies:
    partition: int | None = 3

    async def start(self) -> None: ...

    async def close(self) -> None: ...


@dataclass
class FakeReads:
    payments_of: dict[UUID, Payment] = field(default_factory=dict)
    filters: Filters | None = None
    refusals: dict[tuple[UUID, UUID | None], Refusal] = field(default_factory=dict)
    journal: list[PaymentChanged] = field(default_factory=list)
    journal_reads: int = 0
    reads: int = 0
    not_understood: set[str] = field(default_factory=set)
    entries: list[TimelineEntry] = field(default_factory=list)
    error: Exception | None = None
    unavailable_now: frozenset[str] = frozenset()

    async def payment(self, client_id: str, payment_id: UUID) -> Payment | None:
        self.reads += 1
        if self.error is not None:
            raise self.error
        found = self.payments_of.get(payment_id)
        return found if found is not None and found.client_id == client_id else None

    async def answers(self) -> bool:
        return self.error is None

    async def is_understood(self, type: str) -> bool:
        return type not in self.not_understood

    async def refusal(self, client_id: str, payment_id: UUID, operation_id: UUID | None) -> Refusal | None:
        return self.refusals.get((payment_id, operation_id))

    async def payments(self, client_id: str, filters: Filters, after: Cursor | None, limit: int) -> list[Payment]:
        self.filters = filters
        mine = [payment for payment in self.payments_of.values() if payment.client_id == client_id]
        mine.sort(key=lambda p: (p.created_at, p.id), reverse=True)
        return [p for p in mine if after is None or (p.created_at, p.id) < (after.created_at, after.id)][:limit]

    async def changes(self, payment_id: UUID, version: int, limit: int) -> list[PaymentChanged]:
        self.journal_reads += 1
        return [change for change in self.journal if change.version > version][:limit]

    async def timeline(self, payment_id: UUID) -> list[TimelineEntry]:
        return self.entries

    async def unavailable_providers(self) -> frozenset[str]:
        return self.unavailable_now

    async def close(self) -> None: ...


#: The id of :func:`a_method`.
METHOD = UUID(int=5)


def a_method(**fields: Any) -> StoredMethod:
    """A saved method of the client ``site``."""
    values: dict[str, Any] = {
        "id": METHOD,
        "client_id": "site",
        "customer_id": "c-1842",
        "provider": "yandex-pay",
        "method_ref": "ref-1",
        "title": "Mir *4242",
        "expires_on": None,
        "status": MethodStatus.ACTIVE,
        "status_at": NOW,
        "status_by": "payment:1",
        "reason": None,
        "created_at": NOW,
    }
    return StoredMethod(**(values | fields))


@dataclass
class FakeMethods:
    """Saved methods."""

    kept: dict[UUID, StoredMethod] = field(default_factory=dict)
    error: Exception | None = None

    def keep(self, method: StoredMethod) -> UUID:
        self.kept[method.id] = method
        return method.id

    async def method(self, client_id: str, method_id: UUID) -> StoredMethod | None:
        if self.error is not None:
            raise self.error
        found = self.kept.get(method_id)
        return found if found is not None and found.client_id == client_id else None

    async def methods(self, client_id: str, customer_id: str) -> list[StoredMethod]:
        return [
            m
            for m in self.kept.values()
            if (m.client_id, m.customer_id) == (client_id, customer_id) and m.status is not MethodStatus.REMOVED
        ]

    async def remove(self, client_id: str, method_id: UUID) -> bool:
        found = await self.method(client_id, method_id)
        if found is None or found.status is MethodStatus.REMOVED:
            return False
        self.kept[method_id] = msgspec.structs.replace(found, status=MethodStatus.REMOVED)
        return True


@dataclass
class FakePlans:
    """Plans of the client ``site``, with the rules of Postgres as far as they are seen through the API."""

    kept: dict[str, Plan] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    made: dict[UUID, tuple[str, Any]] = field(default_factory=dict)

    async def plans(self, client_id: str) -> list[Plan]:
        return [self.kept[id] for id in sorted(self.kept)] if client_id == "site" else []

    async def plan(self, client_id: str, id: str) -> Plan | None:
        return self.kept.get(id) if client_id == "site" else None

    async def price(self, client_id: str, id: UUID) -> Price | None:
        return next((p for plan in await self.plans(client_id) for p in plan.prices if p.id == id), None)

    async def create(self, change: Change, id: str, group: str, title: str) -> bool:
        if self._made(change) is not None:
            return False
        if id in self.kept:
            raise PlanRefused("plan_exists", f"there is a plan {id!r}")
        self.kept[id] = Plan(
            id=id, group=group, title=title, created_at=change.at, created_by=change.by, archived_at=None
        )
        self._note(change, id)
        return True

    async def add_price(self, change: Change, plan_id: str, new: NewPrice) -> tuple[Price, bool]:
        plan = self.kept.get(plan_id)
        if plan is None:
            raise PlanRefused("plan_not_found", f"there is no plan {plan_id!r}")
        if (made := self._made(change)) is not None:
            return made, False
        if plan.archived_at is not None:
            raise PlanRefused("plan_archived", f"plan {plan_id!r} is archived")
        last = plan.price(new.currency)
        version = 1 if last is None else last.version + 1
        price = Price(
            id=price_id(change.client_id, plan_id, new.currency, version),
            plan=plan_id,
            group=plan.group,
            title=plan.title,
            version=version,
            **msgspec.structs.asdict(new),
        )
        self.kept[plan_id] = msgspec.structs.replace(plan, prices=(price, *plan.prices))
        self._note(change, price)
        return price, True

    async def archive(self, client_id: str, id: str, *, by: str, at: datetime) -> bool:
        plan = await self.plan(client_id, id)
        if plan is None or plan.archived_at is not None:
            return False
        self.kept[id] = msgspec.structs.replace(plan, archived_at=at)
        return True

    def _made(self, change: Change) -> Any:
        fingerprint, made = self.made.get(change.command_id, (change.fingerprint, None))
        if fingerprint != change.fingerprint:
            raise PlanRefused("idempotency_key_reused", "this Idempotency-Key was used before with another body")
        return made

    def _note(self, change: Change, made: Any) -> None:
        self.changes.append(change)
        self.made[change.command_id] = (change.fingerprint, made)


@dataclass
class FakeSubscriptions:
    """Committed subscriptions."""

    kept: dict[UUID, Subscription] = field(default_factory=dict)
    journal: list[SubscriptionChanged] = field(default_factory=list)
    entries: list[TimelineEntry] = field(default_factory=list)
    filters: SubscriptionFilters | None = None
    error: Exception | None = None

    async def subscription(self, client_id: str, id: UUID) -> Subscription | None:
        if self.error is not None:
            raise self.error
        found = self.kept.get(id)
        return found if found is not None and found.client_id == client_id else None

    async def subscriptions(
        self, client_id: str, filters: SubscriptionFilters, after: Cursor | None, limit: int
    ) -> list[Subscription]:
        self.filters = filters
        mine = [s for s in self.kept.values() if s.client_id == client_id]
        mine.sort(key=lambda s: (s.created_at, s.id), reverse=True)
        return [s for s in mine if after is None or (s.created_at, s.id) < (after.created_at, after.id)][:limit]

    async def periods(self, id: UUID) -> list[PeriodView]:
        return list({p.number: p for change in self.journal for p in change.periods}.values())

    async def attempts(self, id: UUID) -> list[AttemptView]:
        return list({a.payment_id: a for change in self.journal for a in change.attempts}.values())

    async def timeline(self, id: UUID) -> list[TimelineEntry]:
        return self.entries

    async def changes(self, id: UUID, version: int, limit: int) -> list[SubscriptionChanged]:
        return [change for change in self.journal if change.version > version][:limit]

    async def charged_with(self, method_id: UUID) -> list[UUID]:
        return [s.id for s in self.kept.values() if s.method is not None and s.method.id == method_id]


@dataclass
class FakeTestClocks:
    """Test clocks, with the rules of Postgres as far as they are seen through the API."""

    kept: dict[UUID, TestClock] = field(default_factory=dict)
    fingerprints: dict[UUID, str] = field(default_factory=dict)
    full: bool = False

    def keep(self, at: datetime) -> UUID:
        """A clock of the client ``site``."""
        id = uuid4()
        self.kept[id] = TestClock(id, "site", "a test", at, at, NOW)
        return id

    async def create(self, clock: TestClock, fingerprint: str) -> bool:
        if clock.id not in self.kept:
            self.kept[clock.id], self.fingerprints[clock.id] = clock, fingerprint
            return True
        if self.fingerprints[clock.id] != fingerprint:
            raise ClockRefused("idempotency_key_reused", "this Idempotency-Key was used before with another body")
        return False

    async def clock(self, client_id: str, id: UUID) -> ClockState | None:
        found = self.kept.get(id)
        return None if found is None or found.client_id != client_id else ClockState(found, 0, 0)

    async def advance(self, id: UUID, to: datetime) -> None:
        if to < self.kept[id].target_at:
            raise ClockRefused("invalid_clock_time", "the clock never goes back")
        self.kept[id] = msgspec.structs.replace(self.kept[id], target_at=to)

    async def has_room(self, id: UUID, subscription: UUID) -> bool:
        return not self.full


class FakeKeyStore:
    """Keys on record, as the test wants them."""

    def __init__(self) -> None:
        self.keys: list[StoredKey] = []
        self.used: dict[str, datetime] = {}
        self.unavailable = False

    async def exchange(self, used: Mapping[str, datetime]) -> list[StoredKey]:
        if self.unavailable:
            raise KeysUnavailable("no database")
        self.used.update(used)
        return self.keys


class NoKafkaChanges(ChangeStreams[C]):
    """Streams that the test feeds."""

    async def start(self) -> None:
        self.live([])
