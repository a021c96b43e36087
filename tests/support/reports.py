"""Two days of a cinema's payments, decided by the real rules, and everything that came of them, in plain Python."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from billing.ledger.postings import Posting
from billing.messages import (
    CapturePayment,
    Message,
    Observation,
    PaymentChanged,
    ProviderCallback,
    ProviderResult,
    RefundLine,
    RefundPayment,
    RollbackPayment,
)
from billing.messages.event_parts import CallView
from billing.orders import Cart, Item, Order
from billing.payments.decide import decide
from billing.payments.model import Operation, Payment
from billing.vocabulary import Action, CaptureMode, OperationType, Outcome, PaymentStatus
from tests.support.factories import a_create

FIRST_DAY = datetime(2026, 10, 31, tzinfo=UTC)
PROVIDERS = ("yandex-pay", "sandbox")
FILMS = {"film-1": 39_900, "film-2": 19_901, "film-3": 10_033}
DECLINES = ("insufficient_funds", "stolen_card", "issuer_unavailable")


@dataclass
class Life:
    """One payment, as it ended, and what happened on the way."""

    payment: Payment
    events: list[PaymentChanged] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)

    @property
    def calls(self) -> Iterator[CallView]:
        return (event.call for event in self.events if event.call is not None)

    @property
    def charges(self) -> list[Operation]:
        """One at each provider that was tried."""
        types = (OperationType.AUTHORIZE, OperationType.RECURRING)
        return [o for o in self.payment.operations if o.type in types]

    @property
    def charge(self) -> Operation:
        return self.charges[-1]

    @property
    def final_at(self) -> datetime | None:
        """When it first was neither pending nor held."""
        still = (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED)
        return next((event.changed_at for event in self.events if event.status not in still), None)


class Days:
    """``count`` payments of ``count / 4`` customers over two days, which lie in two months."""

    def __init__(self, count: int = 240, seed: int = 7) -> None:
        self._random = Random(seed)
        self.lives = [self._live(number, count) for number in range(count)]

    @property
    def payments(self) -> list[Payment]:
        return [life.payment for life in self.lives]

    @property
    def events(self) -> list[PaymentChanged]:
        return [event for life in self.lives for event in life.events]

    @property
    def charges(self) -> list[tuple[Payment, Operation]]:
        return [(life.payment, charge) for life in self.lives for charge in life.charges]

    @property
    def calls(self) -> list[CallView]:
        return [call for life in self.lives for call in life.calls if call.outcome is not Outcome.NOT_SENT]

    @property
    def postings(self) -> list[tuple[Payment, Posting]]:
        return [(life.payment, posting) for life in self.lives for posting in life.postings]

    def _live(self, number: int, count: int) -> Life:
        random = self._random
        at = FIRST_DAY + timedelta(seconds=number * 2 * 86_400 / count)
        films = random.sample(sorted(FILMS), random.randint(1, 3))
        cart = Cart(tuple(Item(film, film.title(), random.randint(1, 2), FILMS[film]) for film in films))
        order = Order(
            UUID(int=5000 + number),
            f"customer-{random.randrange(count // 4)}",
            random.choice(("RUB", "KZT")),
            cart.total,
            cart,
        )
        saved = "card-1" if random.random() < 0.2 else None
        two_stage = saved is None and random.random() < 0.3
        providers = random.sample(PROVIDERS, 2)
        create = a_create(
            UUID(int=100 + number),
            order=order,
            provider=providers[0],
            alternatives=tuple(providers[1:]),
            saved_method=saved,
            capture_mode=CaptureMode.TWO_STAGE if two_stage else CaptureMode.ONE_STAGE,
        )
        first = decide(None, create, at)
        assert first.payment is not None
        assert first.event is not None
        life = Life(first.payment, [first.event])
        for message in self._story(life, number):
            at += timedelta(milliseconds=random.randint(50, 40_000))
            decision = decide(life.payment, message, at)
            assert decision.payment is not None
            life.payment = decision.payment
            life.postings += decision.postings
            if decision.event is not None:
                life.events.append(decision.event)
        return life

    def _story(self, life: Life, number: int) -> Iterator[Message]:
        random = self._random
        if life.payment.alternatives and random.random() < 0.1:
            yield self._ended(life, life.charge, Outcome.NOT_SENT, "provider_disabled")
        chance = random.random()
        if chance < 0.2:
            yield self._ended(life, life.charge, Outcome.DECLINED, random.choice(DECLINES))
            return
        if chance < 0.25:
            yield self._ended(life, life.charge, Outcome.UNKNOWN, "timeout")
            return
        yield self._ended(life, life.charge, Outcome.PENDING)
        payment = life.payment
        if chance < 0.28:
            yield self._shown(payment, PaymentStatus.FAILED, "expired")
            return
        if chance < 0.31:
            yield RollbackPayment(payment.id, UUID(int=30_000 + number), "the shop gave up")
            yield self._ended(life, life.payment.operations[-1], Outcome.SUCCEEDED)
            return
        if chance < 0.35:
            return
        if payment.capture_mode is CaptureMode.TWO_STAGE:
            yield self._told(payment, PaymentStatus.AUTHORIZED)
            if chance < 0.5:
                yield self._shown(payment, PaymentStatus.VOIDED if chance < 0.45 else PaymentStatus.AUTHORIZED)
                return
            sold = Cart(payment.order.cart.items[: 1 + (chance < 0.8)])
            yield CapturePayment(payment.id, UUID(int=10_000 + number), sold.total, sold)
            yield self._ended(life, life.payment.operations[-1], Outcome.SUCCEEDED)
        else:
            yield self._told(payment, PaymentStatus.CAPTURED)
        if random.random() < 0.3:
            yield from self._refunds(life, number)

    def _refunds(self, life: Life, number: int) -> Iterator[Message]:
        payment, random = life.payment, self._random
        sold = next((o.cart for o in payment.operations if o.type is OperationType.CAPTURE and o.cart), None)
        item = (sold or payment.order.cart).items[0]
        lines: Sequence[RefundLine] = [RefundLine(item.product_id, 1)] if random.random() < 0.5 else []
        amount = None if lines else random.randint(1, payment.captured)
        yield RefundPayment(payment.id, UUID(int=20_000 + number), "asked", amount, tuple(lines))
        yield self._ended(life, life.payment.operations[-1], Outcome.SUCCEEDED)

    def _ended(self, life: Life, operation: Operation, outcome: Outcome, reason: str | None = None) -> Message:
        duration_ms = self._random.randint(10, 900_000) / 1000
        payment = life.payment
        operation = payment.operation(operation.id) or operation
        return ProviderResult(
            payment.id,
            operation.id,
            payment.provider,
            operation.action,
            outcome,
            reason=reason,
            duration_ms=duration_ms,
        )

    @staticmethod
    def _told(payment: Payment, status: PaymentStatus) -> Message:
        return ProviderCallback(payment.id, payment.provider, f"ORDER/{status}", Observation(status))

    @staticmethod
    def _shown(payment: Payment, status: PaymentStatus, reason: str | None = None) -> Message:
        """The provider's answer about the order: it alone ends one."""
        observed = Observation(status, reason=reason)
        return ProviderResult(
            payment.id, payment.charge.id, payment.provider, Action.INQUIRE, Outcome.SUCCEEDED, observed=observed
        )
