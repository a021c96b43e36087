"""What every provider must do, whatever its ways: each operation, struck by each fault, ends as it was asked for, and
money moves once in the provider's own record."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from billing.messages import CapturePayment, ExpirePayment, RefundPayment, RollbackPayment, VoidPayment
from billing.payment import Payment
from billing.vocabulary import Action, CaptureMode, Outcome, PaymentStatus
from tests.factories import a_create, an_order
from tests.named_world import StripeWorld, TBankWorld
from tests.provider_life import Life, items_of
from tests.sandbox_world import World, running
from tests.yookassa_world import YooKassaWorld

WORLDS = {"yandex-pay": World, "yookassa": YooKassaWorld, "stripe": StripeWorld, "tbank": TBankWorld}
#: Of a call → how it may end, by the taxonomy.
CALL_FAULTS: dict[str, set[Outcome]] = {
    "timeout_after_commit": {Outcome.UNKNOWN},
    "error_500_after_commit": {Outcome.UNKNOWN},
    "error_500_before_commit": {Outcome.UNKNOWN},
    # Where the adapter reads before it writes, the HTTP client itself repeats the read, and nothing is felt.
    "connection_reset": {Outcome.UNKNOWN, Outcome.SUCCEEDED, Outcome.PENDING},
    "rate_limited": {Outcome.NOT_SENT},
    "slow": {Outcome.SUCCEEDED, Outcome.PENDING},
}
CALLBACK_FAULTS = ("callback_lost", "callback_twice", "callback_reordered", "callback_before_answer")
#: How long the adapter waits, and how long what is struck takes, seconds and milliseconds.
DEADLINE_S = 1.0
DELAYS_MS = {"timeout_after_commit": 1500, "slow": 100, "callback_reordered": 200, "callback_before_answer": 200}
PRICES = (60_000, 40_000)
WHOLE = sum(PRICES)


@pytest.fixture(params=WORLDS, scope="module")
async def world(request, tmp_path_factory) -> AsyncIterator[World]:
    made = WORLDS[request.param](tmp_path_factory.mktemp(request.param), DEADLINE_S)
    async with running(made) as world:
        yield world


@pytest.fixture
async def life(world: World) -> AsyncIterator[Life]:
    yield Life(world)
    await world.ask("DELETE", "/_sandbox/faults")


async def opened(life: Life, mode: CaptureMode = CaptureMode.ONE_STAGE) -> Payment:
    await life.world.tell("merchant", two_stage=mode is CaptureMode.TWO_STAGE)  # where it is the merchant's setting
    await life.tell(a_create(order=an_order(*PRICES), provider=life.world.adapter.name, capture_mode=mode))
    return await life.settled()


async def paid(life: Life, mode: CaptureMode = CaptureMode.ONE_STAGE) -> Payment:
    await opened(life, mode)
    await life.pays()
    wanted = PaymentStatus.CAPTURED if mode is CaptureMode.ONE_STAGE else PaymentStatus.AUTHORIZED
    return await reached(life, wanted)


async def reached(life: Life, status: PaymentStatus) -> Payment:
    """Whatever the callbacks do: what was not told is asked."""
    for _ in range(40):
        payment = await life.settled()
        if payment.status is status:
            return payment
        await ask(life)
    raise AssertionError(f"{life.payment}")


async def ask(life: Life) -> None:
    """The inquiry that a chase makes in its time."""
    assert life.payment is not None
    await life.tell(ExpirePayment(life.payment.id))


async def acted(life: Life, action: str) -> Payment:
    """Do ``action`` to a payment that is ready for it, struck by what comes next; what it became."""
    payment = life.payment
    if action == "create":
        await opened(life)
        await life.pays()
        return await reached(life, PaymentStatus.CAPTURED)
    assert payment is not None
    message, wanted = {
        "capture": (CapturePayment(payment.id, uuid4()), PaymentStatus.CAPTURED),
        "capture part": (CapturePayment(payment.id, uuid4(), PRICES[0], items_of(payment, 1)), PaymentStatus.CAPTURED),
        "void": (VoidPayment(payment.id, uuid4(), "asked"), PaymentStatus.VOIDED),
        "refund": (RefundPayment(payment.id, uuid4(), "asked"), PaymentStatus.REFUNDED),
        "refund part": (RefundPayment(payment.id, uuid4(), "asked", PRICES[1]), PaymentStatus.PARTIALLY_REFUNDED),
        "rollback": (RollbackPayment(payment.id, uuid4(), "asked"), PaymentStatus.REFUNDED),
    }[action]
    await life.tell(message)
    return await reached(life, wanted)


async def ready(life: Life, action: str) -> None:
    if action in ("capture", "capture part", "void"):
        await paid(life, CaptureMode.TWO_STAGE)
    elif action != "create":
        await paid(life)
    life.outcomes.clear()
    life.world.callbacks.clear()


MOVED = {
    "create": (WHOLE, 0),
    "capture": (WHOLE, 0),
    "capture part": (PRICES[0], 0),
    "void": (0, 0),
    "refund": (WHOLE, WHOLE),
    "refund part": (WHOLE, PRICES[1]),
    "rollback": (WHOLE, WHOLE),
}


async def strike(life: Life, fault: str) -> None:
    """The next call, or the next callback; those after it go well."""
    await life.world.tell(
        "faults", fault=fault, provider=life.world.adapter.name, count=1, delay_ms=DELAYS_MS.get(fault)
    )


async def once(life: Life, action: str) -> None:
    """Money moved as asked, once, and our books say the same."""
    payment = life.payment
    assert payment is not None
    book = await life.book()
    assert (book["captured"], book["refunded"]) == MOVED[action] == (payment.captured, payment.refunded)
    done = [o["type"] for o in book["operations"] if o["status"] == "SUCCESS"]
    assert done.count("CAPTURE") <= 1
    assert done.count("REFUND") <= 1
    assert not any(o.is_open for o in payment.operations)


@pytest.mark.parametrize("fault", CALL_FAULTS)
@pytest.mark.parametrize("action", MOVED)
async def test_a_call_that_is_struck_ends_as_asked_and_moves_money_once(life: Life, action: str, fault: str):
    await ready(life, action)
    await strike(life, fault)
    await acted(life, action)
    await once(life, action)
    first, outcome = life.outcomes[0]
    assert first != Action.INQUIRE
    assert outcome in CALL_FAULTS[fault]


@pytest.mark.parametrize("fault", CALLBACK_FAULTS)
@pytest.mark.parametrize("action", MOVED)
async def test_whatever_becomes_of_its_callbacks_an_operation_ends_as_asked(life: Life, action: str, fault: str):
    await ready(life, action)
    await strike(life, fault)
    await acted(life, action)
    await once(life, action)


async def test_a_decline_says_why_and_takes_nothing(life: Life):
    await opened(life)
    await life.pays("decline")
    capabilities = life.world.adapter.capabilities
    payment = await life.settled()
    for _ in range(20):
        if payment.status is PaymentStatus.FAILED:
            break
        await ask(life)
        payment = await life.settled()
    book = await life.book()
    assert (book["authorized"], book["captured"]) == (0, 0)
    if life.world.adapter.name == "stripe":  # a declined card leaves its page open to another
        assert payment.status is PaymentStatus.PENDING
    else:
        assert (payment.status, payment.reason is not None) == (PaymentStatus.FAILED, True)
    assert capabilities.two_stage in ("request", "merchant")


async def test_a_provider_that_is_not_there_was_not_sent_anything(world: World):
    nowhere = type(world.adapter)(
        world.settings.model_copy(
            update=dict.fromkeys(("yandex_pay_url", "yookassa_url", "stripe_url", "tbank_url"), "http://127.0.0.1:1")
        )
    )
    await nowhere.start()
    try:
        life = Life(world)
        life.world = _Elsewhere(world, nowhere)  # type: ignore[assignment]
        await life.tell(a_create(order=an_order(*PRICES), provider=nowhere.name))
    finally:
        await nowhere.close()
    assert life.outcomes == [(Action.CREATE, Outcome.NOT_SENT)]


class _Elsewhere:
    """The world with another adapter."""

    def __init__(self, world: World, adapter: Any) -> None:
        self._world = world
        self.adapter = adapter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)
