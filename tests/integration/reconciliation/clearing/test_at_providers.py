"""What each provider's statement says wrongly gets its name, and what is right gets none."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from billing.clearing.discrepancies import Kind, State
from billing.messages import Message, RefundPayment, decode_envelope
from billing.payments.model import Payment
from reconciliation.clearing.run import ClearingRun, Outcome, Ran
from storage.processes.locks import Lock, writing
from tests.support.factories import a_create, an_order
from tests.support.named_providers import StripeWorld, TBankWorld
from tests.support.provider_life import Life
from tests.support.sandbox import ProviderWorld, running
from tests.support.streams import Publisher, World
from tests.support.yookassa import YooKassaWorld

WORLDS = {"yandex-pay": ProviderWorld, "yookassa": YooKassaWorld, "stripe": StripeWorld, "tbank": TBankWorld}
PRICE = 59_900
#: Fault → what a run finds of a day with three payments and a refund.
FAULTS: dict[str, dict[Kind, int]] = {
    "register_missing": {Kind.LATE: 1},
    "register_extra": {Kind.UNKNOWN_PAYMENT: 1},
    "register_amount": {Kind.AMOUNT_DIFFERS: 1},
    "register_twice": {Kind.TAKEN_TWICE: 1},
    "register_currency": {Kind.CURRENCY_DIFFERS: 1},
    "register_type": {Kind.LATE: 1, Kind.UNCLASSIFIED_LINE: 1},
    "register_late": {Kind.LATE: 1},
}


class Recorded(Life):
    """A payment at the sandbox, and the messages that made it."""

    def __init__(self, world: ProviderWorld) -> None:
        super().__init__(world)
        self.messages: list[Message] = []

    async def tell(self, message: Message) -> Payment:
        self.messages.append(message)
        return await super().tell(message)


class AtProvider(World):
    """Payments at a provider's sandbox and in the books, and runs over both as if the day were over."""

    def __init__(self, engine: Any, provider: ProviderWorld) -> None:
        super().__init__(engine)
        self.provider = provider
        self.kafka = Publisher()
        self.settlement = provider.adapter.capabilities.settlement
        self.day = self.settlement.day_of(datetime.now(UTC))
        self.now = self._after(self.day)

    def _after(self, day: date) -> datetime:
        return self.settlement.business_day(day)[1] + self.settlement.absent_after - timedelta(minutes=1)

    async def bought(self, refund: int = 0) -> Payment:
        life = Recorded(self.provider)
        await life.tell(a_create(order=an_order(PRICE), provider=self.provider.adapter.name))
        await life.pays()
        await life.called_back()
        await life.settled()
        if refund:
            assert life.payment is not None
            await life.tell(RefundPayment(life.payment.id, uuid4(), "asked", refund))
            await life.settled()
        await self.deliver(await self.agent(now=lambda: datetime.now(UTC)), *life.messages)
        assert life.payment is not None
        return await self.payment(life.payment.id)

    async def run(self, day: date | None = None, again: tuple[date, ...] = ()) -> Ran:
        day = day or self.day
        self.now = max(self.now, self._after(day))
        kafka: Any = self.kafka
        name = self.provider.adapter.name
        async with writing(self.engine, Lock.CLEARING, name) as connection:
            assert connection is not None
            run = ClearingRun(connection, kafka, self.provider.adapter, name, day, now=lambda: self.now, again=again)
            return await run.run()

    async def states(self) -> list[tuple[Any, ...]]:
        return await self.rows("SELECT kind, state FROM discrepancies ORDER BY opened_at, kind")


def sent(kafka: Publisher) -> list[Message]:
    return [decode_envelope(bytes(o.value)).open() for o in kafka.published]


@pytest.fixture(params=WORLDS.values(), ids=WORLDS.keys())
async def world(request: Any, tmp_path: Any, database: Any) -> AsyncIterator[AtProvider]:
    async with running(request.param(tmp_path)) as provider:
        yield AtProvider(database, provider)


async def sold(world: AtProvider) -> None:
    """Three payments, one of them with a part given back."""
    for refund in (0, 0, 19_900):
        payment = await world.bought(refund)
        assert (payment.captured, payment.refunded) == (PRICE, refund)


async def test_a_day_agrees_to_the_minor_unit(world: AtProvider) -> None:
    await sold(world)
    ran = await world.run()
    assert (ran.outcome, ran.movements, ran.loose, ran.found) == (Outcome.DONE, 4, 0, {})
    again = await world.run()
    assert (again.taken.new, again.taken.changed, again.taken.withdrawn, again.found) == (0, 0, 0, {})


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_of_a_line_has_its_name_at_every_provider_once(world: AtProvider, fault: str) -> None:
    await sold(world)
    await world.provider.tell("faults", fault=fault, count=1)
    ran = await world.run()
    assert (ran.outcome, ran.found) == (Outcome.DONE, FAULTS[fault])
    assert (await world.run()).found == {}, "a second run changes nothing"


async def test_a_chargeback_has_its_name_where_the_statement_has_it(world: AtProvider) -> None:
    await world.provider.tell("faults", fault="chargeback", count=1)
    await world.bought()
    ran = await world.run()
    known = world.provider.adapter.name != "yookassa"  # its lists have none
    assert ran.found == ({Kind.CHARGEBACK: 1} if known else {})
    assert [type(m).__name__ for m in sent(world.kafka)] == (["RecordChargeback"] if known else [])


async def test_a_payout_that_is_too_short_has_its_name_where_its_parts_are_listed(world: AtProvider) -> None:
    await sold(world)
    await world.provider.tell("faults", fault="payout_short", count=1)
    made = await world.provider.ask("POST", f"/_sandbox/payouts/{world.provider.adapter.name}")
    assert made["payout"] is not None
    listed = world.provider.adapter.payout("any", world.day) is not None
    assert (await world.run()).found == ({Kind.PAYOUT_DIFFERS: 1} if listed else {})
    assert (await world.run()).found == {}, "a second run changes nothing"


async def test_a_line_that_comes_with_the_next_day_closes_what_was_late(world: AtProvider) -> None:
    await sold(world)
    await world.provider.tell("faults", fault="register_late", count=1)
    await world.run()
    assert await world.states() == [(Kind.LATE, State.EXPECTED)]
    await world.run(world.day + timedelta(days=1))
    assert await world.states() == [(Kind.LATE, State.CLOSED)]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("register_changed", Kind.LINE_CHANGED), ("register_withdrawn", Kind.LINE_WITHDRAWN)],
)
async def test_what_changes_after_it_agreed_is_named_when_it_is_read_again(
    world: AtProvider, fault: str, kind: Kind
) -> None:
    await sold(world)
    await world.provider.tell("faults", fault=fault, count=1)
    assert (await world.run()).found == {}
    ran = await world.run(world.day + timedelta(days=1), again=(world.day,))
    assert ran.found == {kind: 1}


@pytest.mark.parametrize("fault", ["register_absent", "register_truncated", "register_columns"])
async def test_a_statement_that_is_not_whole_is_no_short_day(world: AtProvider, fault: str) -> None:
    await sold(world)
    await world.provider.tell("faults", fault=fault, count=1)
    ran = await world.run()
    assert (ran.outcome, ran.found) == (Outcome.WAITING, {})
    world.now += timedelta(minutes=1)
    assert (await world.run()).found == {Kind.STATEMENT_MISSING: 1}
    await world.provider.ask("DELETE", "/_sandbox/faults")
    assert (await world.run()).outcome is Outcome.DONE
    assert await world.states() == [(Kind.STATEMENT_MISSING, State.CLOSED)]
