"""Subscriptions for tests: prices, commands, and a world that answers their payments."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from billing.messages import CreatePayment, Message
from billing.messages.subscription_commands import Consent, Subscribe, Wake
from billing.subscriptions import simulation
from billing.subscriptions.agenda import next_action
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.decide import decide
from billing.subscriptions.decision import Decision
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import Price, price_id, subscription_id

NOW = datetime(2026, 1, 31, 7, 0, tzinfo=UTC)
CLIENT, CUSTOMER = "site", "customer-1"
MONTHLY = Cadence(Unit.MONTH, 1)


def price(amount: int = 39_900, cadence: Cadence = MONTHLY, **changes: Any) -> Price:
    """A price of the plan ``cinema``: 399 roubles a month."""
    values: dict[str, Any] = {
        "id": price_id(CLIENT, "cinema", "RUB", 1),
        "plan": "cinema",
        "group": "cinema",
        "title": "Cinema",
        "version": 1,
        "currency": "RUB",
        "amount": amount,
        "cadence": cadence,
        "products": ("cinema",),
    }
    return Price(**(values | changes))


def subscribe(**changes: Any) -> Subscribe:
    """The command of a customer who pays on a page."""
    values: dict[str, Any] = {
        "subscription_id": subscription_id(CLIENT, "cinema", CUSTOMER),
        "command_id": uuid4(),
        "fingerprint": "one",
        "client_id": CLIENT,
        "customer_id": CUSTOMER,
        "price": price(),
        "provider": "yookassa",
        "zone": "Europe/Moscow",
        "consent": Consent(uuid5(UUID(int=0), "consent"), "ab" * 32),
    }
    return Subscribe(**(values | changes))


class World:
    """One subscription, its time, and the payments that it asked for and that are not answered yet."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now
        self.s: Subscription | None = None
        self.decisions: list[Decision] = []
        self.asked: list[CreatePayment] = []

    @property
    def subscription(self) -> Subscription:
        """It exists."""
        assert self.s is not None
        return self.s

    @property
    def last(self) -> CreatePayment:
        """The latest payment that was asked for."""
        return self.asked[-1]

    @property
    def notices(self) -> list[str]:
        """The names of all letters so far."""
        return [n.name for d in self.decisions if d.event is not None for n in d.event.notices]

    @property
    def payments(self) -> list[Message]:
        """All messages to payments so far."""
        return [p for d in self.decisions for p in d.payments]

    def send(self, message: Message) -> Decision:
        """Decide about a message now."""
        decision = decide(self.s, message, self.now)
        self.s = decision.subscription
        self.decisions.append(decision)
        self.asked += [p for p in decision.payments if isinstance(p, CreatePayment)]
        return decision

    def pass_time(self, time: timedelta) -> None:
        """It is later; nothing is done."""
        self.now += time

    def wake(self, **facts: Any) -> Decision:
        """The renewal job comes by."""
        assert self.s is not None
        return self.send(Wake(self.s.id, at=self.now, **facts))

    def until_next(self, **facts: Any) -> Decision:
        """Time passes to the next appointment, and it is kept."""
        appointment = next_action(self.subscription)
        assert appointment is not None
        self.now = max(self.now, appointment.at)
        return self.wake(**facts)

    def until_charge(self, **facts: Any) -> CreatePayment:
        """Time passes until the next charge is asked for."""
        before = len(self.asked)
        for _ in range(50):
            self.until_next(**facts)
            if len(self.asked) > before:
                return self.last
        raise AssertionError(f"no charge is asked for: {self.subscription}")

    def pay(self, payment: CreatePayment | None = None, **changes: Any) -> Decision:
        """A payment, the latest by default, is captured."""
        return self.send(simulation.captured(payment or self.last, self.now, **changes))

    def fail(self, reason: str, payment: CreatePayment | None = None) -> Decision:
        """It fails."""
        return self.send(simulation.failed(payment or self.last, self.now, reason))


def active(**changes: Any) -> World:
    """A world with a subscription whose first period is paid."""
    world = World()
    world.send(subscribe(**changes))
    world.pay()
    return world
