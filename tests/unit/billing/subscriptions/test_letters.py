"""Two years of two hundred subscribers who pay, fail to, cancel, keep, remove their method, and come back: every letter is
true when it is sent, and what it announces happens then, unless somebody acts in between."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid5

from billing.messages import CreatePayment, Message
from billing.messages.subscription_commands import (
    CancelSubscription,
    ChangeMethod,
    ExtendPeriod,
    KeepSubscription,
    MethodRemoved,
    PayNow,
    When,
)
from billing.messages.subscription_events import SubscriptionChanged
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.methods import Method
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import subscription_id
from billing.subscriptions.simulation import Step, play, send
from billing.subscriptions.vocabulary import Status
from tests.support.subscription_letters import untrue
from tests.support.subscriptions import CLIENT, price, subscribe

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2028, 1, 1, tzinfo=UTC)
CADENCES = (
    Cadence(Unit.MONTH, 1),
    Cadence(Unit.MONTH, 1),
    Cadence(Unit.MONTH, 3),
    Cadence(Unit.WEEK, 1),
    Cadence(Unit.YEAR, 1),
    Cadence(Unit.DAY, 30),
)
DECLINES = (
    "insufficient_funds",
    "insufficient_funds",
    "declined",
    "card_expired",
    "method_revoked",
    "issuer_unavailable",
    "invalid_request",
)


class Life:
    """One customer, from the first payment to the end of the two years."""

    def __init__(self, number: int, random: Random) -> None:
        self._random = random
        self._name = f"customer-{number}"
        self._id = subscription_id(CLIENT, "cinema", self._name)
        self._commands = 0
        self._price = price(cadence=CADENCES[number % len(CADENCES)])
        self._s: Subscription | None = None
        self.events: list[SubscriptionChanged] = []
        at = START + timedelta(minutes=random.randrange(200 * 24 * 60))
        while at < END:
            self._act(at)
            at += timedelta(minutes=random.randrange(1, 90 * 24 * 60))
            self._note(play(self._now, min(at, END), self._respond))

    @property
    def _now(self) -> Subscription:
        assert self._s is not None
        return self._s

    def _respond(self, payment: CreatePayment) -> str | None:
        ref, chance = payment.order.subscription, self._random.random()
        assert ref is not None
        if ref.purpose != "RENEWAL":
            return None if chance < 0.9 else "expired"
        return None if chance < 0.7 else self._random.choice(DECLINES)

    def _note(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._s = step.decision.subscription
            if step.decision.event is not None:
                self.events.append(step.decision.event)

    def _act(self, at: datetime) -> None:
        self._note(send(self._s, self._command(at), at, self._respond))

    def _command(self, at: datetime) -> Message:
        random, s, id = self._random, self._s, self._command_id()
        if s is None or s.status is Status.ENDED:
            return subscribe(subscription_id=self._id, customer_id=self._name, command_id=id, price=self._price, at=at)
        if s.cancel is not None and random.random() < 0.5:
            return KeepSubscription(s.id, command_id=id, at=at)
        if s.status in (Status.PAST_DUE, Status.ON_HOLD) and random.random() < 0.5:
            return PayNow(s.id, command_id=id, provider="yookassa", at=at)
        chance = random.random()
        if chance < 0.4:
            when = When.AT_END if random.random() < 0.7 else When.NOW
            return CancelSubscription(s.id, command_id=id, when=when, at=at)
        if chance < 0.6:
            method = Method(uuid5(id, "method"), "stripe", f"card of {id}")
            return ChangeMethod(s.id, command_id=id, method=method, at=at)
        if chance < 0.8 and s.method is not None:
            return MethodRemoved(s.id, method_id=s.method.id, at=at)
        return ExtendPeriod(
            s.id,
            command_id=id,
            until=at + timedelta(days=random.randrange(1, 60)),
            operator="anna",
            reason="sorry",
            at=at,
        )

    def _command_id(self) -> UUID:
        self._commands += 1
        return uuid5(self._id, f"command {self._commands}")


def test_every_letter_is_true_when_it_is_sent_and_what_it_announces_happens() -> None:
    random = Random(11)
    lives = [Life(number, random) for number in range(200)]
    assert [wrong for life in lives for wrong in untrue(life.events, END)] == []
    sent = Counter(notice.name for life in lives for event in life.events for notice in event.notices)
    assert min(sent.values()) > 10, sent
    assert len(sent) == 12 + 1, sent
