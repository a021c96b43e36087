"""The Yandex Pay adapter against the sandbox, over HTTP with real signatures."""

import asyncio
from collections.abc import Callable
from functools import partial

import aiohttp
import pytest

from billing.orders import Cart
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus
from providers.sandbox.customer_behaviour import visit
from providers.sandbox.yandex_pay import Orders
from tests.support.factories import an_order
from tests.support.sandbox import ProviderWorld, a_request, a_world, about


class Refunds:
    """The refunds under way at the provider, which end when the test says so."""

    def __init__(self) -> None:
        self._ends: list[Callable[[], None]] = []

    def hold(self, _delay_s: float, act: Callable[..., None], *arguments: str) -> None:
        self._ends.append(partial(act, *arguments))

    def end(self) -> None:
        while self._ends:
            self._ends.pop()()


@pytest.fixture
def refunds(monkeypatch):
    refunds = Refunds()
    monkeypatch.setattr(Orders, "_later", refunds.hold)
    return refunds


async def opened(world: ProviderWorld, *prices: int):
    """A request whose order is open at the provider, and its payment URL."""
    (mode,) = world.adapter.capabilities.capture_modes
    request = a_request(order=an_order(*(prices or (59_900,))), capture_mode=mode)
    result = await world.adapter.perform(request)
    assert result.outcome is Outcome.PENDING, result
    assert result.payment_url is not None
    return request, result.payment_url


async def act(payment_url: str, behaviour: str) -> None:
    async with aiohttp.ClientSession() as http:
        await visit(http, payment_url, behaviour)


async def paid(world: ProviderWorld, *prices: int):
    request, url = await opened(world, *prices)
    await act(url, "pay")
    await world.until(lambda: bool(world.callbacks))
    return request


async def test_a_paid_order_is_called_back_with_a_signature_that_verifies(world):
    request = await paid(world)
    assert world.statuses() == ["CAPTURED"]
    assert world.callbacks[0].references == (request.order_ref,)
    assert (await world.book(request.order_ref))["captured"] == 59_900


async def test_a_declined_order_fails_and_why_is_asked(world):
    request, url = await opened(world)
    await act(url, "decline")
    await world.until(lambda: [said.ask for said in world.said()] == [True])
    assert world.statuses() == []
    inquired = await world.adapter.perform(about(request, Action.INQUIRE))
    assert inquired.observed is not None
    assert (inquired.observed.status, inquired.observed.reason) == (PaymentStatus.FAILED, "insufficient_funds")


async def test_a_customer_who_walks_away_leaves_the_order_open(world):
    request, url = await opened(world)
    await act(url, "walk_away")
    book = await world.book(request.order_ref)
    assert (book["status"], book["customer"]) == ("PENDING", "walks_away")


async def test_the_same_create_twice_opens_one_order_with_one_url(world):
    request, url = await opened(world)
    again = await world.adapter.perform(request)
    assert again.payment_url == url
    book = await world.book(request.order_ref)
    assert (book["requests"]["create"], book["keys"]) == (2, [str(request.operation_id)])


async def test_a_hold_is_captured_in_part_with_the_final_cart(world):
    await world.tell("merchant", two_stage=True)
    request = await paid(world, 60_000, 40_000)
    assert world.statuses() == ["AUTHORIZED"]
    assert request.order is not None
    part = about(request, Action.CAPTURE, 60_000, Cart(request.order.cart.items[:1]))
    assert (await world.adapter.perform(part)).outcome is Outcome.SUCCEEDED
    assert (await world.book(request.order_ref))["captured"] == 60_000
    assert (await world.adapter.perform(part)).outcome is Outcome.SUCCEEDED, "the same key, the same operation"


async def test_a_hold_is_captured_whole(world):
    await world.tell("merchant", two_stage=True)
    request = await paid(world, 60_000, 40_000)
    captured = await world.adapter.perform(about(request, Action.CAPTURE))
    assert captured.outcome is Outcome.SUCCEEDED
    assert (await world.book(request.order_ref))["captured"] == 100_000
    await world.until(lambda: "CAPTURED" in world.statuses())


async def test_a_hold_is_voided(world):
    await world.tell("merchant", two_stage=True)
    request = await paid(world)
    assert (await world.adapter.perform(about(request, Action.VOID))).outcome is Outcome.SUCCEEDED
    assert (await world.book(request.order_ref))["status"] == "VOIDED"


async def test_refunds_are_asynchronous_and_one_at_a_time(world, refunds):
    request = await paid(world, 60_000, 40_000)
    assert request.order is not None
    first = about(request, Action.REFUND, 40_000, Cart(request.order.cart.items[:1]))
    assert (await world.adapter.perform(first)).outcome is Outcome.PENDING
    rival = await world.adapter.perform(about(request, Action.REFUND, 60_000, Cart(())))
    assert (rival.outcome, rival.reason) == (Outcome.NOT_SENT, "provider_busy")
    assert (await world.book(request.order_ref))["refunded"] == 0
    refunds.end()
    await world.until(lambda: "PARTIALLY_REFUNDED" in world.statuses())
    inquired = await world.adapter.perform(about(request, Action.INQUIRE))
    assert inquired.observed is not None
    refund = next(o for o in inquired.observed.operations if o.type is OperationType.REFUND)
    assert (refund.operation_id, refund.status, refund.amount) == (
        first.operation_id,
        OperationStatus.SUCCESS,
        40_000,
    )
    whole = about(request, Action.REFUND, 60_000)
    assert (await world.adapter.perform(whole)).outcome is Outcome.PENDING
    refunds.end()
    await world.until(lambda: "REFUNDED" in world.statuses())


async def test_a_rollback_gives_everything_back(world):
    request = await paid(world)
    assert (await world.adapter.perform(about(request, Action.ROLLBACK))).outcome is Outcome.SUCCEEDED
    book = await world.book(request.order_ref)
    assert (book["status"], book["refunded"]) == ("FAILED", 59_900)


async def test_a_rollback_overtakes_a_refund_and_gives_everything_back_once(world, refunds):
    request = await paid(world, 60_000, 40_000)
    assert request.order is not None
    refund = about(request, Action.REFUND, 40_000, Cart(request.order.cart.items[:1]))
    assert (await world.adapter.perform(refund)).outcome is Outcome.PENDING
    assert (await world.adapter.perform(about(request, Action.ROLLBACK))).outcome is Outcome.SUCCEEDED
    refunds.end()
    await world.until(lambda: any(said.observed.operations for said in world.callbacks))
    (told,) = (operation for said in world.callbacks for operation in said.observed.operations)
    assert (told.operation_id, told.status) == (refund.operation_id, OperationStatus.FAIL)
    book = await world.book(request.order_ref)
    assert (book["status"], book["refunded"]) == ("FAILED", 100_000)


async def test_an_unpaid_order_rolled_back_can_no_longer_be_paid(world):
    request, url = await opened(world)
    assert (await world.adapter.perform(about(request, Action.ROLLBACK))).outcome is Outcome.SUCCEEDED
    await act(url, "pay")
    book = await world.book(request.order_ref)
    assert (book["status"], book["captured"]) == ("FAILED", 0)


async def test_an_operation_that_was_done_but_not_answered_is_found_by_an_inquiry(world):
    request = await paid(world)
    await world.tell("faults", fault="error_500_after_commit", operation="refund", count=1)
    refund = about(request, Action.REFUND)
    assert (await world.adapter.perform(refund)).outcome is Outcome.UNKNOWN
    inquired = await world.adapter.perform(about(request, Action.INQUIRE))
    assert inquired.observed is not None
    assert refund.operation_id in {operation.operation_id for operation in inquired.observed.operations}
    assert (await world.adapter.perform(refund)).outcome is not Outcome.DECLINED, "the same key, the same refund"
    await world.until(lambda: "REFUNDED" in world.statuses())
    assert (await world.book(request.order_ref))["refunded"] == 59_900


async def test_an_order_the_provider_does_not_have_is_an_answer(world):
    result = await world.adapter.perform(a_request(Action.INQUIRE))
    assert (result.outcome, result.reason) == (Outcome.SUCCEEDED, "order_not_found")
    assert result.observed is not None
    assert result.observed.status is None


async def test_a_capture_of_what_is_not_held_is_declined(world):
    request = await paid(world)
    result = await world.adapter.perform(about(request, Action.CAPTURE))
    assert (result.outcome, result.reason) == (Outcome.DECLINED, "invalid_state")


@pytest.mark.parametrize(
    ("fault", "outcome", "happened"),
    [
        ("error_500_after_commit", Outcome.UNKNOWN, True),
        ("error_500_before_commit", Outcome.UNKNOWN, False),
        ("rate_limited", Outcome.NOT_SENT, False),
        ("connection_reset", Outcome.UNKNOWN, False),
    ],
)
async def test_a_call_that_fails_is_never_taken_for_a_decline(world, fault, outcome, happened):
    await world.tell("faults", fault=fault, operation="create", count=1)
    request = a_request()
    assert (await world.adapter.perform(request)).outcome is outcome
    inquired = await world.adapter.perform(about(request, Action.INQUIRE))
    assert (inquired.reason != "order_not_found") is happened
    assert (await world.adapter.perform(request)).outcome is Outcome.PENDING, "sent again with the same key"
    assert (await world.book(request.order_ref))["keys"] == [str(request.operation_id)]


async def test_a_call_past_its_deadline_is_unknown(tmp_path):
    async with a_world(tmp_path, timeout_s=0.5) as world:
        await world.tell("faults", fault="timeout_after_commit", operation="create", count=1, delay_ms=1500)
        request = a_request()
        result = await world.adapter.perform(request)
        assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "timeout")
        assert (await world.book(request.order_ref))["status"] == "PENDING"


async def test_a_provider_that_is_away_was_not_sent_anything(tmp_path):
    world = ProviderWorld(tmp_path)
    await world.adapter.start()
    result = await world.adapter.perform(a_request())
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "unreachable")
    await world.adapter.close()


async def test_a_callback_may_be_lost_or_come_twice(world):
    await world.tell("faults", fault="callback_lost", operation="pay", count=1)
    request, url = await opened(world)
    await act(url, "pay")
    inquired = await world.adapter.perform(about(request, Action.INQUIRE))
    assert inquired.observed is not None
    assert inquired.observed.status is PaymentStatus.CAPTURED, "the inquiry finds what the callback did not tell"
    await world.tell("faults", fault="callback_twice", operation="pay", count=1)
    _, second = await opened(world)
    await act(second, "pay")
    await world.until(lambda: len(world.callbacks) == 2)
    assert len({callback.dedupe for callback in world.callbacks}) == 1


async def test_a_callback_may_come_before_the_answer_to_the_call(world):
    await world.tell("merchant", two_stage=True)
    request = await paid(world)
    await world.tell("faults", fault="callback_before_answer", operation="capture", count=1)
    call = asyncio.create_task(world.adapter.perform(about(request, Action.CAPTURE)))
    await world.until(lambda: "CAPTURED" in world.statuses())
    assert not call.done()
    assert (await call).outcome is Outcome.SUCCEEDED


async def test_a_refused_callback_is_delivered_again_with_a_new_token(world):
    world.accepts = False
    _, url = await opened(world)
    await act(url, "pay")
    await world.until(lambda: len(world.tokens) >= 2)
    world.accepts = True
    await world.until(lambda: world.statuses() == ["CAPTURED"])
    assert len(set(world.tokens)) == len(world.tokens)


async def test_a_restarted_provider_keeps_its_book_and_delivers_what_was_left(tmp_path):
    world = ProviderWorld(tmp_path)
    await world.adapter.start()
    async with world.sandbox():
        request, url = await opened(world)
        await act(url, "pay")  # nobody listens
    async with world.shop(), world.sandbox():
        assert (await world.book(request.order_ref))["captured"] == 59_900
        await world.until(lambda: world.statuses() == ["CAPTURED"])
    await world.adapter.close()
