"""What the sandbox' statements say wrongly, what its money does by itself, and what it tells an auditor of both."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from providers.base import Provider
from providers.sandbox.movements import Movement
from providers.sandbox.statements import day_bounds
from providers.statements import LineKind, StatementLine, StatementUnavailable
from tests.integration.providers.test_statements import WORLDS, bought, refunded, today, told
from tests.support.sandbox import ProviderWorld, running

DAY = timedelta(days=1)
PRICE = 59_900


@pytest.fixture(params=WORLDS.values(), ids=WORLDS.keys())
async def world(request, tmp_path):
    async with running(request.param(tmp_path)) as world:
        yield world


async def struck(world: ProviderWorld, day: date | None = None) -> Any:
    params = {} if day is None else {"day": day.isoformat()}
    return await world.ask("GET", "/_sandbox/faults/struck", params=params)


def by_ref(lines: list[StatementLine]) -> dict[str, StatementLine]:
    assert len({line.line_ref for line in lines}) == len(lines)
    return {line.line_ref: line for line in lines}


async def before_and_after(
    world: ProviderWorld, fault: str
) -> tuple[dict[str, StatementLine], dict[str, StatementLine]]:
    """The day of three payments, right, and as the fault makes it."""
    for _ in range(3):
        await bought(world, PRICE)
    right = by_ref(await told(world))
    await world.tell("faults", fault=fault, count=1)
    return right, by_ref(await told(world))


def changed(right: dict[str, StatementLine], wrong: dict[str, StatementLine]) -> tuple[StatementLine, StatementLine]:
    (ref,) = (ref for ref in right if right[ref] != wrong[ref])
    return right[ref], wrong[ref]


async def test_a_fee_can_be_another(world):
    right, wrong = changed(*await before_and_after(world, "register_fee"))
    assert (wrong.fee - right.fee, wrong.amount) == (100, right.amount)


async def test_a_currency_can_be_another(world):
    right, wrong = changed(*await before_and_after(world, "register_currency"))
    assert (right.currency, wrong.currency) == ("RUB", "USD")


async def test_a_type_can_be_one_that_nobody_told_us_of(world):
    right, wrong = changed(*await before_and_after(world, "register_type"))
    assert (right.kind, wrong.kind, wrong.amount) == ("charge", "other", right.amount)


async def test_a_charge_can_be_stated_twice(world):
    right, wrong = await before_and_after(world, "register_twice")
    (second,) = (line for ref, line in wrong.items() if ref not in right)
    (first,) = (
        line for line in right.values() if (line.own_id or line.order_ref) == (second.own_id or second.order_ref)
    )
    assert (len(wrong), second.amount) == (4, first.amount)


async def test_a_line_can_come_in_the_next_days_statement(world):
    right, wrong = await before_and_after(world, "register_late")
    tomorrow = by_ref(await told(world, today(world) + DAY))
    assert len(wrong) == 2
    assert tomorrow.keys() == right.keys() - wrong.keys()
    assert await told(world, today(world) + DAY) == list(tomorrow.values())


async def test_a_line_can_change_after_it_was_read(world):
    right, first = await before_and_after(world, "register_changed")
    assert first == right
    before, after = changed(first, by_ref(await told(world)))
    assert after.amount - before.amount == 100
    assert changed(first, by_ref(await told(world)))[1] == after


async def test_a_line_can_be_withdrawn_after_it_was_read(world):
    right, first = await before_and_after(world, "register_withdrawn")
    assert first == right
    assert len(await told(world)) == len(await told(world)) == 2


async def test_half_of_a_statement_can_be_missing_and_nothing_shows_it(world):
    right, _ = await before_and_after(world, "register_missing")
    await world.ask("DELETE", "/_sandbox/faults")
    await world.tell("faults", fault="register_half", count=1)
    assert len(await told(world)) == len(await told(world)) < len(right)


@pytest.mark.parametrize("fault", ["register_absent", "register_truncated", "register_columns"])
async def test_a_statement_that_is_absent_cut_off_or_of_another_form_is_no_short_day(world, fault):
    await bought(world, PRICE)
    await world.tell("faults", fault=fault, count=1)
    for _ in range(2):
        with pytest.raises(StatementUnavailable):
            await told(world)
    (found,) = (await struck(world))["statements"]
    assert (found["provider"], found["fault"]) == (world.adapter.name, fault)


@pytest.mark.parametrize(
    "fault",
    ["register_missing", "register_extra", "register_amount", "register_fee", "register_late", "register_twice"],
)
async def test_an_auditor_gets_the_list_of_what_was_struck(world, fault):
    await before_and_after(world, fault)
    moscow = datetime.now(UTC) + timedelta(hours=3)
    for found in (await struck(world), await struck(world, moscow.date())):
        (line,) = found["lines"]
        assert (line["fault"], line["provider"], line["amount"]) == (fault, world.adapter.name, PRICE)
    assert (await struck(world, moscow.date() - 7 * DAY))["lines"] == []


async def test_one_line_has_one_fault_and_clearing_the_faults_mends_all(world):
    right, _ = await before_and_after(world, "register_missing")
    for fault in ("register_amount", "register_fee"):
        await world.tell("faults", fault=fault, rate=1.0)
    await told(world)
    assert len((await struck(world))["lines"]) == 3
    await world.ask("DELETE", "/_sandbox/faults")
    assert by_ref(await told(world)) == right


@pytest.mark.parametrize("name", WORLDS)
async def test_faults_of_statements_survive_a_restart(name, tmp_path):
    world = WORLDS[name](tmp_path)
    await world.adapter.start()
    async with world.shop():
        async with world.sandbox():
            _, wrong = await before_and_after(world, "register_amount")
        async with world.sandbox():
            assert by_ref(await told(world)) == wrong
    await world.adapter.close()


async def balance(world: ProviderWorld) -> int:
    found = (await world.ask("GET", f"/_sandbox/balance/{world.adapter.name}"))["balance"]
    return int(found.get("RUB", 0))


async def test_the_balance_is_what_the_lines_moved(world):
    await bought(world, PRICE)
    await refunded(world, await bought(world, 10_000))
    lines = await told(world)
    assert await balance(world) == sum(line.amount - (line.fee or 0) for line in lines) > 0


async def test_a_payout_takes_everything_and_names_what_it_consists_of(world):
    for _ in range(2):
        await bought(world, PRICE)
    due = await balance(world)
    payout = (await world.ask("POST", f"/_sandbox/payouts/{world.adapter.name}"))["payout"]
    assert (payout["amount"], await balance(world)) == (-due, 0)
    assert (await world.ask("GET", f"/_sandbox/payouts/{world.adapter.name}"))["payouts"] == [payout]
    assert (await world.ask("POST", f"/_sandbox/payouts/{world.adapter.name}"))["payout"] is None
    lines = await told(world)
    if world.adapter.name != "yookassa":  # its lists know no payouts
        (stated,) = (line for line in lines if line.kind is LineKind.PAYOUT)
        assert (stated.amount, stated.fee) == (-due, 0)
    consists_of = [line for line in await of_payout(world.adapter, payout["id"], lines) if line.kind is LineKind.CHARGE]
    if world.adapter.name in ("stripe", "tbank"):
        assert sum(line.amount - (line.fee or 0) for line in consists_of) == due


async def of_payout(provider: Provider, payout: str, lines: list[StatementLine]) -> list[StatementLine]:
    part = provider.payout(payout, date(2026, 11, 27))
    if part is None:
        return [line for line in lines if line.payout_ref == payout]
    return [line async for page in provider.pages(part) for line in page.lines]


@pytest.mark.parametrize(("fault", "left"), [("payout_short", 100), ("payout_late", 0), ("payout_failed", None)])
async def test_a_payout_can_be_short_or_late_or_come_back(world, fault, left):
    await bought(world, PRICE)
    due = await balance(world)
    await world.tell("faults", fault=fault, count=1)
    payout = (await world.ask("POST", f"/_sandbox/payouts/{world.adapter.name}"))["payout"]
    assert await balance(world) == (due if left is None else left)
    assert [line["fault"] for line in (await struck(world))["lines"]] == [fault]
    assert (payout["at"] > datetime.now(UTC).timestamp() + 3_600) == (fault == "payout_late")


@pytest.mark.parametrize(("fault", "kinds"), [("chargeback", 1), ("chargeback_won", 2)])
async def test_a_customers_bank_can_take_the_money_back(world, fault, kinds):
    await world.tell("faults", fault=fault, count=1)
    await bought(world, PRICE)
    amounts = {line.kind: line.amount for line in await told(world)}
    if world.adapter.name != "yookassa":  # its lists know no chargebacks
        assert amounts[LineKind.CHARGEBACK] == -PRICE
        assert (amounts.get(LineKind.CHARGEBACK_UNDONE) == PRICE) == (kinds == 2)
    assert len((await struck(world))["lines"]) == kinds


async def test_somebody_can_charge_without_us(world):
    id = (await world.ask("POST", "/_sandbox/charge", json={"provider": world.adapter.name, "amount": PRICE}))[
        "order_id"
    ]
    (line,) = await told(world)
    assert (line.kind, line.amount, line.own_id) == ("charge", PRICE, None)
    assert id in (line.order_ref, line.provider_ref)
    assert [found["fault"] for found in (await struck(world))["lines"]] == ["charge_in_console"]


async def test_somebody_can_refund_without_us_and_a_refund_can_be_undone(world):
    request = await bought(world, PRICE)
    await world.ask("POST", f"/_sandbox/console/{request.order_ref}", json={"action": "refund", "amount": 10_000})
    lines = {line.kind: line for line in await told(world)}
    assert (lines[LineKind.REFUND].amount, lines[LineKind.REFUND].own_id) in (
        (-10_000, None),
        (-10_000, request.operation_id),
    )
    await world.ask("POST", f"/_sandbox/console/{request.order_ref}", json={"action": "undo_refund"})
    lines = {line.kind: line for line in await told(world)}
    if world.adapter.name == "yookassa":  # the refund is no longer one that succeeded
        assert LineKind.REFUND not in lines
    else:
        assert lines[LineKind.REFUND_UNDONE].amount == 10_000
    assert [found["fault"] for found in (await struck(world))["lines"]] == ["refund_in_console", "refund_undone"]


@pytest.mark.parametrize("seconds", [-1, 0])
async def test_one_second_of_the_providers_clock_decides_the_day(world, seconds):
    settlement = world.adapter.capabilities.settlement
    _, end = settlement.business_day(today(world))
    await world.tell("clock", offset_s=(end - datetime.now(UTC)).total_seconds() + seconds * 30 + 5)
    await bought(world, PRICE)
    days = [len(await told(world, today(world) + index * DAY)) for index in range(2)]
    assert days == ([1, 0] if seconds else [0, 1])


async def test_a_register_is_streamed_from_the_index_of_its_day(tmp_path):
    world = WORLDS["tbank"](tmp_path)
    async with running(world):
        start, _ = day_bounds(date(2026, 11, 20))
        many = [
            Movement(
                str(uuid4()),
                "tbank",
                LineKind.CHARGE,
                100,
                "RUB",
                3,
                start + n,
                start + n,
                f"{n}",
                f"{n}",
                f"{uuid4()}",
            )
            for n in range(7_000)
        ]
        world.ledger.movements.add(many)
        lines = await told(world, date(2026, 11, 20))
        assert [line.line_ref for line in lines] == [movement.id for movement in many]
