"""Two years of subscribers, decided by the real rules: customers who pay, fail to, cancel and come back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid5

from billing.messages import CreatePayment, PaymentChanged, RefundPayment, RollbackPayment, WithdrawCharge
from billing.messages.subscription_commands import (
    CancelSubscription,
    ChangeMethod,
    ExtendPeriod,
    KeepSubscription,
    MethodRemoved,
    PayNow,
    ProviderState,
    When,
)
from billing.messages.subscription_events import AttemptView, PeriodView, SubscriptionChanged
from billing.subscriptions import simulation
from billing.subscriptions.agenda import next_action
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.decision import Decision
from billing.subscriptions.methods import Method
from billing.subscriptions.prices import Price, price_id, subscription_id
from billing.subscriptions.vocabulary import PeriodStatus, Status
from billing.vocabulary import PaymentStatus
from tests.support.event_factories import a_change
from tests.support.subscriptions import CLIENT, World, price, subscribe

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2028, 1, 1, tzinfo=UTC)
DECLINES = ("insufficient_funds", "declined", "card_expired", "method_revoked", "issuer_unavailable")
FAULTS = ("invalid_request", "timeout")


def a_price(plan: str, currency: str, amount: int, cadence: Cadence) -> Price:
    return price(amount, cadence, id=price_id(CLIENT, plan, currency, 1), plan=plan, currency=currency)


PRICES = (
    a_price("cinema", "RUB", 39_900, Cadence(Unit.MONTH, 1)),
    a_price("cinema-quarter", "RUB", 99_000, Cadence(Unit.MONTH, 3)),
    a_price("cinema-year", "RUB", 299_000, Cadence(Unit.YEAR, 1)),
    a_price("cinema", "KZT", 199_001, Cadence(Unit.MONTH, 1)),
    a_price("cinema-week", "KZT", 9_900, Cadence(Unit.WEEK, 1)),
    a_price("cinema-thirty", "KZT", 40_000, Cadence(Unit.DAY, 30)),
)


class Subscriber:
    """One customer's subscription, its payments and all that was told of both."""

    def __init__(self, number: int, random: Random) -> None:
        self._random = random
        self._world = World(START + timedelta(minutes=random.randrange(600 * 24 * 60)))
        self._name = f"customer-{number}"
        self._id = subscription_id(CLIENT, "cinema", self._name)
        self._commands = 0
        self._open: list[CreatePayment] = []
        self._captured: dict[UUID, CreatePayment] = {}
        self._refunded: dict[UUID, int] = {}
        self._versions: dict[UUID, int] = {}
        self._live()

    @property
    def events(self) -> list[SubscriptionChanged]:
        return [decision.event for decision in self._world.decisions if decision.event is not None]

    @property
    def payments(self) -> Iterator[PaymentChanged]:
        """Those that were captured, as they are in the end."""
        for id, payment in self._captured.items():
            back = self._refunded.get(id, 0)
            yield a_change(
                PaymentStatus.PARTIALLY_REFUNDED if back else PaymentStatus.CAPTURED,
                payment_id=id,
                client_id=CLIENT,
                customer_id=self._name,
                currency=payment.order.currency,
                amount=payment.order.amount,
                authorized=payment.order.amount,
                captured=payment.order.amount,
                refunded=back,
            )

    def _live(self) -> None:
        world, random = self._world, self._random
        self._subscribe()
        while world.now < END:
            self._settle()
            if random.random() < 0.12:
                self._command()
            appointment = next_action(world.subscription)
            if appointment is None:
                if random.random() < 0.5:
                    return
                world.pass_time(timedelta(days=random.randrange(1, 70), hours=random.randrange(24)))
                self._subscribe()
            elif appointment.at >= END:
                return
            else:
                off = random.random() < 0.02
                self._take(world.until_next(provider_state=ProviderState.OFF if off else ProviderState.OK))
                if off:
                    world.pass_time(timedelta(hours=5))

    def _subscribe(self) -> None:
        chosen = self._random.choice(PRICES)
        self._take(
            self._world.send(
                subscribe(subscription_id=self._id, customer_id=self._name, command_id=self._command_id(), price=chosen)
            )
        )

    def _command_id(self) -> UUID:
        self._commands += 1
        return uuid5(self._id, f"command {self._commands}")

    def _settle(self) -> None:
        """Payments get their outcome, a few of them later."""
        random = self._random
        while self._open:
            payment = self._open.pop(0)
            if random.random() < 0.05:
                self._take(self._world.send(simulation.open_still(payment, self._world.now, "UNKNOWN")))
                self._open.append(payment)
                return
            self._world.pass_time(timedelta(minutes=random.randrange(30)))
            chance = random.random()
            if chance < 0.8:
                self._captured[payment.payment_id] = payment
                self._versions[payment.payment_id] = 2
                self._take(self._world.pay(payment, saves=random.random() < 0.97))
            else:
                self._take(self._world.fail(random.choice(FAULTS if chance > 0.97 else DECLINES), payment))

    def _command(self) -> None:
        world, random = self._world, self._random
        world.pass_time(timedelta(hours=random.randrange(30)))
        s, id = world.subscription, self._command_id()
        chance = random.random()
        if s.cancel is not None and chance < 0.5:
            self._take(world.send(KeepSubscription(s.id, command_id=id)))
        elif s.status in (Status.PAST_DUE, Status.ON_HOLD) and chance < 0.4:
            self._take(world.send(PayNow(s.id, command_id=id, provider="yookassa")))
        elif chance < 0.55:
            when = When.AT_END if random.random() < 0.7 else When.NOW
            self._take(world.send(CancelSubscription(s.id, command_id=id, when=when)))
        elif chance < 0.7:
            method = Method(uuid5(id, "method"), "stripe", f"card of {id}")
            self._take(world.send(ChangeMethod(s.id, command_id=id, method=method)))
        elif chance < 0.8 and s.method is not None:
            self._take(world.send(MethodRemoved(s.id, method_id=s.method.id, at=world.now)))
        elif chance < 0.9:
            until = world.now + timedelta(days=random.randrange(1, 40))
            self._take(world.send(ExtendPeriod(s.id, command_id=id, until=until, operator="anna", reason="sorry")))
        elif s.period is not None and s.period.paid_by in self._captured:
            left = s.period.amount - self._refunded.get(s.period.paid_by, 0)
            if left:
                self._refund(s.period.paid_by, left if random.random() < 0.5 else min(left, 1_000))

    def _take(self, decision: Decision) -> None:
        """Carry out what was decided."""
        for message in decision.payments:
            if isinstance(message, CreatePayment):
                self._open.append(message)
            elif isinstance(message, RefundPayment):
                assert message.amount is not None
                self._refund(message.payment_id, message.amount)
            elif isinstance(message, (WithdrawCharge, RollbackPayment)) and message.payment_id in self._captured:
                whole = self._captured[message.payment_id].order.amount
                self._refund(message.payment_id, whole - self._refunded.get(message.payment_id, 0))

    def _refund(self, id: UUID, amount: int) -> None:
        if amount:
            self._refunded[id] = self._refunded.get(id, 0) + amount
            self._versions[id] += 1
            told = simulation.refunded(
                self._captured[id], self._world.now, self._refunded[id], version=self._versions[id]
            )
            self._take(self._world.send(told))


class Years:
    """``count`` subscribers, and the latest state of everything they left behind."""

    def __init__(self, count: int = 150, seed: int = 5) -> None:
        random = Random(seed)
        self.subscribers = [Subscriber(number, random) for number in range(count)]
        self.histories = [subscriber.events for subscriber in self.subscribers]
        self.events = [event for events in self.histories for event in events]
        self.subscriptions = {events[-1].subscription_id: events[-1] for events in self.histories}
        self.periods: dict[tuple[UUID, int], PeriodView] = {}
        self.attempts: dict[UUID, AttemptView] = {}
        self.subscription_of: dict[UUID, UUID] = {}
        for event in self.events:
            self.periods |= {(event.subscription_id, period.number): period for period in event.periods}
            self.attempts |= {attempt.payment_id: attempt for attempt in event.attempts}
            self.subscription_of |= {attempt.payment_id: event.subscription_id for attempt in event.attempts}
        self.payments = [payment for subscriber in self.subscribers for payment in subscriber.payments]

    def due_period(self, id: UUID) -> int:
        """The number of the period that is to be paid next."""
        period = self.subscriptions[id].period
        return 1 if period is None else period.number + (period.status is not PeriodStatus.OPEN)
