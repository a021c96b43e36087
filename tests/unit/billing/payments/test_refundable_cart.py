"""What a refund gives back for its receipt, and what it leaves for the provider's cart."""

from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.messages import ProviderRequest, RefundLine, RefundPayment, RollbackPayment
from billing.orders import Cart, Item, Order
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.vocabulary import Outcome
from tests.support import factories
from tests.support.factories import NOW, an_order, performed


def captured(*lines: tuple[int, int]) -> Payment:
    """A captured payment of lines: quantity and price of one."""
    items = tuple(Item(f"film-{n}", f"Film {n}", quantity, price) for n, (quantity, price) in enumerate(lines, 1))
    cart = Cart(items)
    order: Order = msgspec.structs.replace(an_order(), cart=cart, amount=cart.total)
    return factories.captured(order=order)


def asked(payment: Payment, **fields: object) -> tuple[ProviderRequest, Payment]:
    """The request for a refund, and the payment after the refund succeeded."""
    id = uuid4()
    decision = decide(payment, RefundPayment(payment.id, id, "asked", **fields), NOW)  # type: ignore[arg-type]
    assert decision.payment is not None, decision.refusal
    (request,) = decision.requests
    done = decide(decision.payment, performed(decision.payment, id, Outcome.SUCCEEDED), NOW).payment
    assert done is not None
    return request, done


def lines(cart: Cart | None) -> list[tuple[str, int, int]] | None:
    return None if cart is None else [(item.product_id, item.quantity, item.unit_price) for item in cart.items]


@pytest.mark.parametrize(
    ("sold", "amount", "returned"),
    [
        ([(3, 10_000)], 5_000, [("film-1", 1, 5_000)]),
        ([(3, 10_000)], 20_000, [("film-1", 2, 10_000)]),
        ([(3, 10_000)], 25_001, [("film-1", 2, 10_000), ("film-1", 1, 5_001)]),
        ([(1, 10_000), (2, 30_000)], 15_000, [("film-1", 1, 10_000), ("film-2", 1, 5_000)]),
        ([(1, 30_000), (2, 10_000)], 20_000, [("film-2", 2, 10_000)]),
        ([(2, 0), (1, 10_000)], 1, [("film-2", 1, 1)]),
    ],
)
def test_a_refund_by_amount_gives_back_units_and_a_part_of_one(sold, amount, returned):
    request, _ = asked(captured(*sold), amount=amount)
    assert lines(request.refunded_cart) == returned


def test_the_rest_after_a_refund_by_items_is_what_was_not_given_back():
    _, payment = asked(captured((2, 10_000), (1, 5_000)), items=(RefundLine("film-1", 1),))
    rest, _ = asked(payment)
    assert (rest.amount, lines(rest.refunded_cart)) == (15_000, [("film-1", 1, 10_000), ("film-2", 1, 5_000)])
    assert rest.cart is None, "nothing remains"


def test_the_rest_after_a_refund_by_amount_includes_the_other_part_of_the_split_unit():
    _, payment = asked(captured((3, 10_000)), amount=12_500)
    rest, _ = asked(payment)
    assert sorted(lines(rest.refunded_cart) or []) == [("film-1", 1, 7_500), ("film-1", 1, 10_000)]


def test_two_open_refunds_give_back_different_units():
    payment = captured((2, 10_000))
    first = decide(payment, RefundPayment(payment.id, uuid4(), "asked", 10_000), NOW)
    second = decide(first.payment, RefundPayment(payment.id, uuid4(), "asked", 10_000), NOW)
    for decision in (first, second):
        assert lines(decision.requests[0].refunded_cart) == [("film-1", 1, 10_000)]
    third = decide(second.payment, RefundPayment(payment.id, uuid4(), "asked", 1), NOW)
    assert third.refusal is not None


def test_a_refund_of_everything_has_no_items_and_the_provider_makes_its_receipt():
    request, _ = asked(captured((3, 10_000)))
    assert (request.refunded_cart, request.cart) == (None, None)


def test_a_rollback_after_a_partial_refund_gives_back_the_rest():
    _, payment = asked(captured((2, 10_000)), items=(RefundLine("film-1", 1),))
    (request,) = decide(payment, RollbackPayment(payment.id, uuid4(), "asked"), NOW).requests
    assert lines(request.refunded_cart) == [("film-1", 1, 10_000)]


@pytest.mark.parametrize(
    ("sold", "amount", "remains"),
    [
        ([(3, 10_000)], 5_001, [("film-1", 3, 8_333)]),
        ([(3, 10_000), (1, 10)], 5_000, [("film-1", 3, 8_334), ("film-2", 1, 8)]),
        ([(3, 10_000), (2, 10_000)], 4, [("film-1", 3, 10_000), ("film-2", 2, 9_998)]),
        ([(1, 6_000), (1, 4_000)], 1_500, [("film-1", 1, 4_500), ("film-2", 1, 4_000)]),
    ],
)
def test_prices_fall_so_that_the_remaining_cart_comes_to_the_unit(sold, amount, remains):
    request, _ = asked(captured(*sold), amount=amount)
    assert lines(request.cart) == remains


def test_prices_that_fell_never_rise_again():
    payment = captured((3, 10_000), (1, 5_000))
    first, payment = asked(payment, amount=5_000)
    second, _ = asked(payment, amount=3)
    before = {item.product_id: item.unit_price for item in first.cart.items}
    assert all(item.unit_price <= before[item.product_id] for item in second.cart.items)
    assert second.cart.total == 35_000 - 5_003


def test_a_cart_that_cannot_express_the_amount_shows_it_by_its_total():
    request, _ = asked(captured((3, 10_000)), amount=5_000)
    assert request.cart.total != 25_000


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 500)), min_size=1, max_size=4),
    st.lists(st.integers(1, 300), min_size=1, max_size=4),
)
def test_the_receipts_of_all_refunds_add_up_to_what_was_refunded(sold, amounts):
    if not sum(quantity * price for quantity, price in sold):
        return
    payment = captured(*sold)
    given_back = 0
    for amount in amounts:
        if amount > payment.refundable:
            continue
        whole = amount == payment.captured
        request, payment = asked(payment, amount=amount)
        assert whole or request.refunded_cart is not None
        given_back += amount
        assert request.refunded_cart is None or request.refunded_cart.total == amount
    if 0 < given_back < payment.captured:
        rest, _ = asked(payment)
        assert rest.refunded_cart is not None
        assert rest.refunded_cart.total == payment.captured - given_back
