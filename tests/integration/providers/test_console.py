"""What happens at a provider without a call of ours, over HTTP and with its signatures, at every provider."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from billing.messages import CapturePayment, FollowUpOperation, RefundPayment
from billing.payments.model import Payment
from billing.vocabulary import CaptureMode, OperationStatus, OperationType, PaymentStatus
from tests.integration.providers.test_behaviour import PRICES, WHOLE, WORLDS, opened, paid, strike
from tests.support.provider_life import Life
from tests.support.sandbox import ProviderWorld, running

PART = 60_000


@pytest.fixture(params=WORLDS, scope="module")
async def world(request, tmp_path_factory) -> AsyncIterator[ProviderWorld]:
    async with running(WORLDS[request.param](tmp_path_factory.mktemp(request.param))) as world:
        yield world


@pytest.fixture
async def life(world: ProviderWorld) -> AsyncIterator[Life]:
    yield Life(world)
    await world.ask("DELETE", "/_sandbox/faults")


async def in_console(life: Life, action: str, amount: int | None = None) -> None:
    payment = life.payment
    assert payment is not None
    body = {"action": action, "amount": amount}
    assert (await life.world.ask("POST", f"/_sandbox/console/{payment.order_ref}", json=body))["done"]


async def ask(life: Life) -> Payment:
    """As ``billing payment ask`` does."""
    payment = life.payment
    assert payment is not None
    return await life.tell(FollowUpOperation(payment.id, payment.charge.id, 0, on_demand=True))


async def told(life: Life, is_told: bool) -> Payment:
    """The callback comes, or is lost and somebody asks."""
    if not is_told:
        return await ask(life)
    before = payment = life.payment
    while payment is None or before is None or payment.status is before.status:
        payment = await life.called_back()  # those of the payment itself may come first
    return payment


async def agrees(life: Life) -> dict[str, Any]:
    payment, book = life.payment, await life.book()
    assert payment is not None
    assert payment.contradiction is None
    assert (payment.captured, payment.refunded) == (book["captured"], book["refunded"])
    assert life.clearing == payment.captured - payment.refunded
    return book


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_part_of_a_hold_captured_in_the_console_is_captured_to_the_unit(life: Life, is_told: bool):
    await paid(life, CaptureMode.TWO_STAGE)
    await in_console(life, "capture", PART)
    payment = await told(life, is_told)
    assert (payment.status, payment.captured) == (PaymentStatus.CAPTURED, PART)
    await agrees(life)
    await life.tell(RefundPayment(payment.id, uuid4(), "asked"))
    assert (await life.settled()).status is PaymentStatus.REFUNDED
    await agrees(life)


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_refund_in_the_console_is_refunded_to_the_unit_and_the_rest_can_be_refunded(life: Life, is_told: bool):
    await paid(life)
    await in_console(life, "refund", PRICES[1])
    payment = await told(life, is_told)
    assert (payment.status, payment.refunded) == (PaymentStatus.PARTIALLY_REFUNDED, PRICES[1])
    await agrees(life)
    await life.tell(RefundPayment(payment.id, uuid4(), "asked"))
    assert (await life.settled()).status is PaymentStatus.REFUNDED
    await agrees(life)


async def test_two_refunds_in_the_console_one_after_the_other_are_both_found(life: Life):
    await paid(life)
    for total in (10_000, 20_000):
        await in_console(life, "refund", 10_000)
        assert (await life.called_back()).refunded == total
        await agrees(life)


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_hold_released_in_the_console_is_voided_and_not_captured(life: Life, is_told: bool):
    await paid(life, CaptureMode.TWO_STAGE)
    await in_console(life, "release")
    assert (await told(life, is_told)).status is PaymentStatus.VOIDED
    await agrees(life)


async def test_a_hold_that_ended_unheard_of_is_found_by_the_capture_that_fails(life: Life):
    payment = await paid(life, CaptureMode.TWO_STAGE)
    await in_console(life, "release")
    life.world.callbacks.clear()
    key = uuid4()
    payment = await life.tell(CapturePayment(payment.id, key))
    payment = await life.settled()
    assert payment.status is PaymentStatus.VOIDED
    assert payment.operation(key).status is OperationStatus.FAIL
    await agrees(life)


@pytest.mark.parametrize("mode", CaptureMode)
async def test_a_late_failure_undoes_nothing(life: Life, mode: CaptureMode):
    before = await paid(life, mode)
    await in_console(life, "late_failure")
    after = await life.called_back()
    assert (after.status, after.captured, after.refunded) == (before.status, before.captured, 0)
    await agrees(life)
    if mode is CaptureMode.TWO_STAGE:
        await life.tell(CapturePayment(after.id, uuid4()))
        assert (await life.settled()).status is PaymentStatus.CAPTURED
    await life.tell(RefundPayment(after.id, uuid4(), "asked"))
    assert (await life.settled()).status is PaymentStatus.REFUNDED
    await agrees(life)


async def test_a_failure_heard_of_a_payment_whose_success_was_lost_ends_nothing(life: Life):
    await opened(life)
    await life.pays()
    await in_console(life, "late_failure")

    def late() -> list[Any]:
        return [said for said in life._mine() if said.ask or said.observed.status is PaymentStatus.FAILED]

    # YooKassa's notifications all look alike: the first is that of the success.
    await life.world.until(lambda: len(late()) >= (2 if life.world.adapter.name == "yookassa" else 1))
    life.world.callbacks[:] = late()[-1:]
    payment = await life.hear()
    assert (payment.status, payment.captured) == (PaymentStatus.CAPTURED, WHOLE)
    await agrees(life)


async def test_a_refund_that_failed_after_it_succeeded_is_reversed(life: Life):
    payment, key = await paid(life), uuid4()
    await life.tell(RefundPayment(payment.id, key, "asked", PRICES[1]))
    payment = await life.settled()
    assert payment.refunded == PRICES[1]
    await in_console(life, "undo_refund")
    life.world.callbacks.clear()
    payment = await ask(life)
    if life.world.adapter.name == "tbank":  # it names no refunds: a person has to look
        assert (payment.refunded, payment.contradiction) == (
            PRICES[1], "0.00 RUB refunded there, 400.00 RUB of 1000.00 RUB here",
        )  # fmt: skip
        return
    assert (payment.status, payment.refunded) == (PaymentStatus.CAPTURED, 0)
    assert payment.operation(key).status is OperationStatus.FAIL
    await agrees(life)


@pytest.mark.parametrize(
    ("fault", "mode"),
    [
        ("captured_in_console", CaptureMode.TWO_STAGE),
        ("released_in_console", CaptureMode.TWO_STAGE),
        ("refunded_in_console", CaptureMode.ONE_STAGE),
        ("failure_after_success", CaptureMode.ONE_STAGE),
        ("refund_undone", CaptureMode.ONE_STAGE),
    ],
)
async def test_faults_of_the_console_follow_an_operation(life: Life, fault: str, mode: CaptureMode):
    if fault == "refund_undone":
        payment = await paid(life, mode)
        await strike(life, fault, "refund")
        await life.tell(RefundPayment(payment.id, uuid4(), "asked", PRICES[1]))
    else:
        await opened(life, mode)
        await strike(life, fault, "pay")
        await life.pays()
    wanted = {
        "captured_in_console": (WHOLE // 2, 0),
        "released_in_console": (0, 0),
        "refunded_in_console": (WHOLE, WHOLE // 2),
        "failure_after_success": (WHOLE, 0),
        "refund_undone": (WHOLE, 0),
    }[fault]

    async def happened() -> bool:
        book = await life.book()
        undone = any(o["type"] == "REFUND" and o["status"] == "FAIL" for o in book["operations"])
        released = any(o["type"] == "VOID" for o in book["operations"])
        marks = {"refund_undone": undone, "released_in_console": released}
        return (book["captured"], book["refunded"]) == wanted and marks.get(fault, True)

    while not await happened():
        await life.hear()
    await life.hear()
    payment = await ask(life)
    if fault == "refund_undone" and life.world.adapter.name == "tbank":
        return
    await agrees(life)
    assert sum(o.type is OperationType.CAPTURE for o in payment.operations) <= 1
