"""Who may watch what after each decision: from the message to the access signal."""

from datetime import datetime
from uuid import UUID, uuid4

import msgspec
import pytest

from billing.messages import (
    CapturePayment,
    CorrectPayment,
    Message,
    PaymentChanged,
    ProviderResult,
    RefundLine,
    RefundPayment,
)
from billing.orders import Cart
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.signals import Access, signals_for
from billing.vocabulary import Action, CaptureMode, Outcome, PaymentStatus
from tests.support.factories import NOW, a_create, a_payment, an_order, shown, told


class Customer:
    """A payment and the access that its events gave, as signals would have applied it."""

    def __init__(self, payment: Payment) -> None:
        self.payment = payment
        self.signals: list[Access] = []

    def send(self, message: Message, now: datetime = NOW) -> PaymentChanged:
        decision = decide(self.payment, message, now)
        assert decision.payment is not None
        assert decision.event is not None
        self.payment = decision.payment
        self.signals = [s.body for s in signals_for(decision.event) if isinstance(s.body, Access)]
        return decision.event

    def refund(self, *products: str, amount: int | None = None, quantity: int = 1) -> UUID:
        """Ask for it and let it succeed."""
        id = uuid4()
        lines = tuple(RefundLine(product, quantity) for product in products)
        self.send(RefundPayment(self.payment.id, id, "asked", amount, lines))
        assert self.signals == []
        self.succeed(id, Action.REFUND)
        return id

    def succeed(self, operation_id: UUID, action: Action) -> None:
        self.send(ProviderResult(self.payment.id, operation_id, self.payment.provider, action, Outcome.SUCCEEDED))

    @property
    def told(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(signal.action.value, signal.products) for signal in self.signals]


def paid(*prices: int) -> Customer:
    customer = Customer(a_payment(order=an_order(*prices)))
    customer.send(told(customer.payment, PaymentStatus.CAPTURED))
    return customer


def held(*prices: int) -> Customer:
    customer = Customer(a_payment(order=an_order(*prices), capture_mode=CaptureMode.TWO_STAGE))
    customer.send(told(customer.payment, PaymentStatus.AUTHORIZED))
    return customer


def test_a_capture_opens_every_product_at_once() -> None:
    assert paid(100, 200).told == [("ALLOW_ACCESS", ("film-1", "film-2"))]


def test_a_hold_opens_nothing_and_its_release_closes_nothing() -> None:
    customer = held(100)
    assert customer.told == []

    customer.send(shown(customer.payment, PaymentStatus.VOIDED))

    assert customer.payment.status is PaymentStatus.VOIDED
    assert customer.told == []


def test_a_partial_capture_opens_only_what_was_sold_after_all() -> None:
    customer = held(100, 200)
    sold = Cart(customer.payment.order.cart.items[1:])
    capture = uuid4()
    customer.send(CapturePayment(customer.payment.id, capture, 200, sold))

    customer.succeed(capture, Action.CAPTURE)

    assert customer.told == [("ALLOW_ACCESS", ("film-2",))]


def test_a_refund_by_items_closes_those_items_and_the_last_one_the_rest() -> None:
    customer = paid(100, 200, 300)

    customer.refund("film-2")
    assert customer.told == [("DENY_ACCESS", ("film-2",))]
    customer.refund("film-1", "film-3")
    assert customer.told == [("DENY_ACCESS", ("film-1", "film-3"))]


def test_a_refund_by_amount_closes_nothing_until_everything_is_given_back() -> None:
    customer = paid(100, 200)

    customer.refund(amount=100)
    assert customer.told == []
    customer.refund()
    assert customer.told == [("DENY_ACCESS", ("film-1", "film-2"))]


def test_a_product_of_which_a_unit_is_left_stays_open() -> None:
    order = an_order(100)
    (item,) = order.cart.items
    order = msgspec.structs.replace(order, amount=200, cart=Cart((msgspec.structs.replace(item, quantity=2),)))
    customer = Customer(a_payment(order=order))
    customer.send(told(customer.payment, PaymentStatus.CAPTURED))

    customer.refund("film-1")

    assert customer.payment.status is PaymentStatus.PARTIALLY_REFUNDED
    assert customer.told == []


def test_a_refund_by_items_that_was_none_opens_them_again() -> None:
    customer = paid(100, 200)
    refund = customer.refund("film-2")

    customer.send(CorrectPayment(customer.payment.id, uuid4(), refund, False, "operator", "the bank sent it back"))

    assert customer.told == [("ALLOW_ACCESS", ("film-2",))]


def test_changes_within_one_moment_or_by_a_clock_that_is_behind_still_have_growing_versions() -> None:
    customer = paid(100)
    (allowed,) = customer.signals
    customer.refund()
    (denied,) = customer.signals

    assert denied.version > allowed.version
    assert customer.payment.updated_at > NOW


@pytest.mark.parametrize("until", ["2027-01-31T00:00:00+00:00", "2027-01-31T03:00:00+03:00"])
def test_access_ends_when_the_order_says(until: str) -> None:
    order = msgspec.structs.replace(an_order(), metadata={"access_until": until})
    customer = Customer(a_payment(order=order))

    customer.send(told(customer.payment, PaymentStatus.CAPTURED))

    assert [signal.valid_until for signal in customer.signals] == [datetime.fromisoformat("2027-01-31T00:00:00Z")]


@pytest.mark.parametrize("until", ["next week", "2027-01-31T00:00:00"])
def test_an_end_of_access_that_is_no_moment_is_refused(until: str) -> None:
    order = msgspec.structs.replace(an_order(), metadata={"access_until": until})
    create = a_create(order=order)

    decision = decide(None, create, NOW)

    assert decision.payment is None
    assert decision.event is None
