"""Many subscriptions on a real Postgres, the renewal job and the subscriptions agent, with Kafka imitated between them and
payments answered at once. Time is real, and can be made to pass; subscriptions begin in the past."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages import MESSAGE_TYPES, CreatePayment, Message, decode_envelope
from billing.messages.subscription_commands import Wake
from billing.messages.subscription_events import SubscriptionChanged
from billing.messages.topics import INBOX
from billing.subscriptions import simulation
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import subscription_id
from reconciliation.metrics import Metrics
from reconciliation.renewals.job import RenewalJob
from reconciliation.renewals.pace import Bounds
from runtime.clock import utc_now
from runtime.kafka.publisher import OutboundMessage
from storage.processes.leases import WORKER, Lease
from storage.providers.switches import Switch, turn
from storage.subscriptions.rows import load_subscriptions
from streams.delivery.aggregate_agent import AggregateAgent
from streams.subscriptions.agent import Subscriptions
from tests.support.passing_time import let_time_pass
from tests.support.streams import Crash, Log, Publisher, exit_process
from tests.support.subscriptions import CLIENT, subscribe

ZONE = "Europe/Moscow"
UNBOUNDED = Bounds(per_s=None, unanswered=1_000_000, waiting=1_000_000)


class WakeUps:
    """Kafka, as the job sees it. ``crash_after``: die after so many more messages, in the middle of a page."""

    def __init__(self) -> None:
        self.sent: list[OutboundMessage] = []
        self.taken = 0
        self.crash_after: int | None = None

    async def publish(self, outputs: Sequence[OutboundMessage]) -> None:
        if self.crash_after is not None:
            self.sent += outputs[: self.crash_after]
            raise Crash
        self.sent += outputs

    def messages(self) -> list[Wake]:
        return [msgspec.json.decode(decode_envelope(bytes(o.value)).data, type=Wake) for o in self.sent]

    def woken(self) -> list[UUID]:
        return [wake.subscription_id for wake in self.messages()]


class RenewalWorld:
    """The database, one agent, jobs that come and go. ``respond``: what a renewal ends with."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.log = Log()
        self.publisher = Publisher()
        self.wake_ups = WakeUps()
        self.metrics = Metrics()
        self.respond: simulation.Respond = simulation.paid
        self.now: Callable[[], datetime] = self.clock
        self.answered = 0
        self.passed = timedelta(0)

    async def start(self) -> None:
        self.agent: AggregateAgent[Any, Any] = AggregateAgent(
            Subscriptions(),
            self.engine,
            self.publisher,  # type: ignore[arg-type]
            self.publisher.dead_letters,  # type: ignore[arg-type]
            exit_process,
            now=self._now,
        )
        await self.agent.restore([0])
        await self._live()

    async def _live(self) -> None:
        """A worker that knows all messages runs."""
        async with self.engine.begin() as connection:
            await Lease(WORKER, "worker", "1", 3600.0, MESSAGE_TYPES.keys()).refresh(connection)

    def clock(self) -> datetime:
        """The time here and in Postgres."""
        return utc_now() + self.passed

    async def pass_time(self, until: datetime) -> None:
        """It becomes later; nothing is done meanwhile."""
        self.passed = until - utc_now()
        await let_time_pass(self.engine, self.passed)
        await self._live()

    def _now(self) -> datetime:
        return self.now()

    async def subscribed(self, number: int, started: timedelta, **changes: Any) -> list[UUID]:
        """So many customers whose first period began so long ago."""
        at = changes.pop("at", self.clock() - started)
        self.now = lambda: at
        ids = [subscription_id(CLIENT, "cinema", f"customer-{n}") for n in range(number)]
        commands = [
            subscribe(subscription_id=id, customer_id=f"customer-{n}", command_id=uuid5(id, "subscribe"), **changes)
            for n, id in enumerate(ids)
        ]
        await self.deliver(*(msgspec.structs.replace(command, at=at) for command in commands))
        await self.settle()
        self.now = self.clock
        return ids

    def job(
        self, bounds: Bounds = UNBOUNDED, host_clock: Callable[[], datetime] | None = None, waiting: int = 0
    ) -> RenewalJob:
        async def in_inbox() -> int:
            return waiting + len(self.wake_ups.sent) - self.wake_ups.taken

        return RenewalJob(
            self.engine,
            self.wake_ups,  # type: ignore[arg-type]
            in_inbox,
            self.metrics,
            zone=ZONE,
            bounds=bounds,
            host_clock=host_clock or self.clock,
        )

    async def deliver(self, *messages: Message) -> None:
        await self.agent.process(self.log.write(*messages))

    async def take(self) -> None:
        """The agent processes the wake-ups, and the payments that they lead to are answered."""
        await self.process()
        await self.settle()

    async def process(self) -> None:
        """The agent processes the wake-ups."""
        fresh = self.wake_ups.sent[self.wake_ups.taken :]
        self.wake_ups.taken = len(self.wake_ups.sent)
        if fresh:
            await self.agent.process([self.log.write_raw(bytes(output.value)) for output in fresh])

    async def settle(self) -> None:
        """Answer the payments that were asked for."""
        while payments := self.asked()[self.answered :]:
            self.answered += len(payments)
            await self.deliver(*(self._outcome(payment) for payment in payments))

    def _outcome(self, payment: CreatePayment) -> Message:
        ref = payment.order.subscription
        assert ref is not None
        reason = None if ref.purpose == "FIRST" else self.respond(payment)
        if reason is None:
            return simulation.captured(payment, self.now())
        return simulation.failed(payment, self.now(), reason)

    async def run_until_quiet(self, job: RenewalJob | None = None, runs: int = 20) -> int:
        """Runs of the job until one wakes nobody; how many were woken."""
        job, total = job or self.job(), 0
        for _ in range(runs):
            ran = await job.run()
            if not ran.woken:
                return total
            total += ran.woken
            await self.take()
        raise AssertionError("somebody is woken again and again")

    def asked(self) -> list[CreatePayment]:
        """Every payment that was asked for, repeats included."""
        sent = [decode_envelope(bytes(o.value)).open() for o in self.publisher.published if o.topic == INBOX.name]
        return [message for message in sent if isinstance(message, CreatePayment)]

    def renewals(self) -> Counter[UUID]:
        """Subscription → different charges of its saved method."""
        charges = {p.payment_id: p.order.subscription for p in self.asked()}
        return Counter(ref.id for ref in charges.values() if ref is not None and ref.purpose == "RENEWAL")

    def letters(self) -> Counter[str]:
        """Name → notices that were decided."""
        return Counter(notice.name for event in self.events() for notice in event.notices)

    def access_taken(self) -> list[UUID]:
        """Subscriptions whose access was taken away, one entry for each time."""
        changed = [(event.subscription_id, event.access) for event in self.events()]
        return [id for id, access in changed if access is not None and set(access.before) - set(access.products)]

    def events(self) -> list[SubscriptionChanged]:
        """Every change that was published."""
        sent = [decode_envelope(bytes(o.value)).open() for o in self.publisher.published if o.topic != INBOX.name]
        return [message for message in sent if isinstance(message, SubscriptionChanged)]

    async def subscriptions(self, ids: Sequence[UUID]) -> list[Subscription]:
        async with self.engine.connect() as connection:
            found = await load_subscriptions(connection, ids)
        return [found[id] for id in ids]

    async def execute(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.engine.begin() as connection:
            result = await connection.execute(text(sql), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    async def switch(self, provider: str, *, enabled: bool) -> None:
        async with self.engine.begin() as connection:
            await turn(connection, provider, Switch(enabled, "test", "anna", datetime.now(UTC)))
