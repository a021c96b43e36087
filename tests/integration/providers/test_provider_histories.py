"""Random histories at each provider: whatever callbacks and answers come, in any order, twice or never, once the provider
is asked the books equal its own."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.messages import (
    CapturePayment,
    FollowUpOperation,
    Message,
    ProviderCallback,
    RefundPayment,
    RollbackPayment,
    VoidPayment,
)
from billing.payments.model import Payment
from billing.vocabulary import CaptureMode, OperationStatus, OperationType, PaymentStatus
from providers.base import ParsedCallback
from providers.sandbox.callbacks import Callbacks
from providers.sandbox.ledger import Delivery
from tests.support.factories import a_create, an_order
from tests.support.named_providers import StripeWorld, TBankWorld
from tests.support.provider_life import Life, items_of
from tests.support.sandbox import ProviderWorld
from tests.support.yookassa import YooKassaWorld

WORLDS = {"yandex-pay": ProviderWorld, "yookassa": YooKassaWorld, "stripe": StripeWorld, "tbank": TBankWorld}
PRICES = (60_000, 40_000)
WHOLE = sum(PRICES)
#: Questions until nothing is open; a refund is open for 50 ms.
ASKED_MAX = 60

AMOUNTS = st.sampled_from([10_000, 25_000, 40_000])
PAYING = st.sampled_from(["pay", "pay", "pay", "decline", "walk_away"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("capture"), st.sampled_from([None, PRICES[0]])),
        st.tuples(st.just("void"), st.none()),
        st.tuples(st.just("refund"), AMOUNTS),
        st.tuples(st.just("rollback"), st.none()),
        st.tuples(st.just("pay"), st.none()),
        st.tuples(st.just("console capture"), st.sampled_from([None, 70_000])),
        st.tuples(st.just("console refund"), AMOUNTS),
        st.tuples(st.just("console release"), st.none()),
        st.tuples(st.just("console undo_refund"), st.none()),
        st.tuples(st.just("console late_failure"), st.none()),
        st.tuples(st.just("hear"), st.integers(0, 5)),
        st.tuples(st.just("ask"), st.none()),
        st.tuples(st.just("lose the next answer"), st.none()),
    ),
    max_size=9,
)

T = TypeVar("T")


class History:
    """One payment, its provider, and the callbacks that it sent and we may hear."""

    def __init__(self, world: "Silent") -> None:
        self.world = world
        self.life = Life(world.world)
        world.sent.clear()

    @property
    def payment(self) -> Payment:
        assert self.life.payment is not None
        return self.life.payment

    async def tell(self, message: Message) -> None:
        await self.life.tell(message)

    async def begin(self, mode: CaptureMode, paying: str) -> None:
        world = self.world.world
        await world.tell("merchant", two_stage=mode is CaptureMode.TWO_STAGE)
        await self.tell(a_create(order=an_order(*PRICES), provider=world.adapter.name, capture_mode=mode))
        await self.life.pays(paying)

    async def step(self, what: str, argument: int | None) -> None:
        id, key = self.payment.id, uuid4()
        match what:
            case "capture":
                cart = items_of(self.payment, 1) if argument else None
                await self.tell(CapturePayment(id, key, argument, cart))
            case "void":
                await self.tell(VoidPayment(id, key, "asked"))
            case "refund":
                await self.tell(RefundPayment(id, key, "asked", argument))
            case "rollback":
                await self.tell(RollbackPayment(id, key, "asked"))
            case "pay":
                await self.life.pays()
            case "hear":
                await self.hear(argument or 0)
            case "ask":
                await self.ask()
            case "lose the next answer":
                self.life.lose_answers = 1
            case _:
                await self.in_console(what.removeprefix("console "), argument)

    async def in_console(self, action: str, amount: int | None) -> None:
        path = f"/_sandbox/console/{self.payment.order_ref}"
        await self.world.world.ask("POST", path, json={"action": action, "amount": amount})

    async def hear(self, number: int) -> None:
        """A callback of those sent so far; it is not forgotten, and may come again."""
        if not self.world.sent:
            return
        said = await self.world.read(self.world.sent[number % len(self.world.sent)])
        name = self.world.world.adapter.name
        await self.tell(
            ProviderCallback(self.payment.id, name, said.dedupe, said.observed, ask=said.ask, claimed=said.claimed)
        )

    async def ask(self) -> None:
        """As ``billing payment ask`` does."""
        for operation in self.payment.operations:
            if operation.is_open or operation.id == self.payment.charge.id:
                await self.tell(FollowUpOperation(self.payment.id, operation.id, operation.follow_ups, on_demand=True))

    async def settle(self) -> dict[str, Any]:
        """Ask until nothing is open that the customer does not hold open; the provider's own record."""
        self.life.lose_answers = 0
        for _ in range(ASKED_MAX):
            await self.ask()
            book = await self.life.book()
            pending = any(o["status"] == "PENDING" for o in book["operations"])
            waits = self.payment.status is PaymentStatus.PENDING
            if not pending and (waits or not any(o.is_open for o in self.payment.standing)):
                break
            if self.unclear():
                break
            await asyncio.sleep(0.02)
        await self.ask()
        return await self.life.book()

    def agrees_with(self, book: dict[str, Any]) -> None:
        payment = self.payment
        assert payment.contradiction is None
        assert (payment.captured, payment.refunded) == (book["captured"], book["refunded"])
        assert self.life.clearing == book["captured"] - book["refunded"], "the ledger disagrees"
        held = book["status"] == "AUTHORIZED"
        assert (payment.status is PaymentStatus.AUTHORIZED) == held

    def unclear(self) -> bool:
        """T-Bank names no refunds: which of them was made, or failed, can be unknown until a person looks."""
        refunds = [o for o in self.payment.standing if o.type is OperationType.REFUND]
        return self.payment.provider == "tbank" and (
            self.payment.contradiction is not None or any(o.status is OperationStatus.UNKNOWN for o in refunds)
        )


class Silent:
    """A sandbox whose callbacks are kept here instead of being delivered."""

    def __init__(self, world: ProviderWorld, sent: list[Delivery], loop: asyncio.AbstractEventLoop) -> None:
        self.world = world
        self.sent = sent
        self.loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def read(self, delivery: Delivery) -> ParsedCallback:
        """Signed by the provider, verified and parsed by us."""
        request = self.world.imitation.callback(delivery.payload)
        headers = {name.lower(): value for name, value in request.headers.items()}
        await self.world.verifier.verify(headers, request.body, "127.0.0.1")
        return self.world.adapter.parse_callback(request.body)


@pytest.fixture(params=WORLDS)
def silent(request, tmp_path, monkeypatch) -> Iterator[Silent]:
    sent: list[Delivery] = []
    monkeypatch.setattr(Callbacks, "send", lambda _self, deliveries: sent.extend(deliveries))
    loop = asyncio.new_event_loop()
    world = WORLDS[request.param](tmp_path)

    async def live(started: asyncio.Event, over: asyncio.Event) -> None:
        await world.adapter.start()
        async with world.sandbox():
            await world.verifier.start()
            started.set()
            await over.wait()
            await world.verifier.close()
        await world.adapter.close()

    async def begin() -> tuple[asyncio.Event, "asyncio.Task[None]"]:
        started, over = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(live(started, over))
        await started.wait()
        return over, task

    over, task = loop.run_until_complete(begin())
    yield Silent(world, sent, loop)

    async def end() -> None:
        over.set()
        await task

    loop.run_until_complete(end())
    loop.close()


def test_once_the_provider_is_asked_the_books_equal_its_own(silent: Silent) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(mode=st.sampled_from(CaptureMode), paying=PAYING, steps=STEPS, late=st.lists(st.integers(0, 9), max_size=6))
    def check(mode: CaptureMode, paying: str, steps: list[tuple[str, int | None]], late: list[int]) -> None:
        silent.run(one(mode, paying, steps, late))

    async def one(mode: CaptureMode, paying: str, steps: list[tuple[str, int | None]], late: list[int]) -> None:
        history = History(silent)
        await history.begin(mode, paying)
        for what, argument in steps:
            await history.step(what, argument)
        first = await history.settle()
        if history.unclear():
            return
        history.agrees_with(first)
        # Whatever is heard afterwards, late or again, changes nothing.
        for number in late:
            await history.hear(number)
        history.agrees_with(await history.settle())

    check()


def test_a_rollback_after_a_refund_of_the_staff_is_counted_as_what_it_was(silent: Silent) -> None:
    """We ask for all that the books have left; the provider gives back what it has left. YooKassa is asked for an amount, and
    refuses one that is more than is left."""

    async def one() -> None:
        history = History(silent)
        await history.begin(CaptureMode.ONE_STAGE, "pay")
        await history.step("ask", None)
        await history.step("console refund", 10_000)
        await history.step("rollback", None)
        book = await history.settle()
        refused = silent.world.adapter.name == "yookassa"
        assert book["refunded"] == (10_000 if refused else WHOLE)
        history.agrees_with(book)

    silent.run(one())
