"""What each provider says of a day, read by its adapter: whole, exact, and as wrong as the faults make it."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from billing.messages import ProviderRequest
from billing.vocabulary import Action, CaptureMode
from providers.statements import StatementLine, StatementUnavailable
from tests.support.named_providers import StripeWorld, TBankWorld
from tests.support.sandbox import ProviderWorld, a_request, running
from tests.support.statements import day_read
from tests.support.yookassa import YooKassaWorld

WORLDS = {"yandex-pay": ProviderWorld, "yookassa": YooKassaWorld, "stripe": StripeWorld, "tbank": TBankWorld}
#: More than a page of a list.
MANY = 103


@pytest.fixture(params=WORLDS.values(), ids=WORLDS.keys())
async def world(request, tmp_path):
    async with running(request.param(tmp_path)) as world:
        yield world


def today(world: ProviderWorld) -> date:
    return world.adapter.capabilities.settlement.day_of(datetime.now(UTC))


async def told(world: ProviderWorld, day: date | None = None) -> list[StatementLine]:
    return await day_read(world.adapter, day or today(world))


async def bought(world: ProviderWorld, price: int) -> ProviderRequest:
    request = await world.open(price)
    await world.customer(request, "pay")
    return request


async def refunded(world: ProviderWorld, bought: ProviderRequest) -> ProviderRequest:
    request = a_request(
        Action.REFUND,
        provider=world.adapter.name,
        order_ref=bought.order_ref,
        amount=bought.amount,
        opened_at=bought.opened_at,
        reason="asked",
    )
    await world.adapter.perform(request)
    while not (await world.book(bought.order_ref))["refunded"]:
        pass  # each look is a call to the sandbox
    return request


def ours(line: StatementLine, *requests: ProviderRequest) -> bool:
    """Whether the line's payment can be found by one of these."""
    said = {str(line.own_id), line.order_ref, line.provider_ref, *line.aliases}
    return bool(said & {name for r in requests for name in (r.order_ref, str(r.operation_id))})


async def test_every_charge_and_refund_of_the_day_is_a_line_with_its_amount(world):
    kept, returned = await bought(world, 59_900), await bought(world, 29_900)
    await world.open(19_900)  # nobody pays it
    refund = await refunded(world, returned)

    lines = await told(world)

    charges = {line.amount: line for line in lines if line.kind == "charge"}
    assert charges.keys() == {59_900, 29_900}
    assert ours(charges[59_900], kept)
    assert ours(charges[29_900], returned)
    assert all(0 < line.fee < line.amount for line in charges.values())
    (given_back,) = (line for line in lines if line.kind == "refund")
    assert (given_back.amount, given_back.currency) == (-29_900, "RUB")
    assert ours(given_back, returned, refund)
    assert len({line.line_ref for line in lines}) == 3
    assert all(abs(line.at - datetime.now(UTC)) < timedelta(minutes=5) for line in lines)


async def test_another_day_is_not_told(world):
    await bought(world, 59_900)
    assert await told(world, today(world) - timedelta(days=1)) == []
    assert await told(world, today(world) + timedelta(days=1)) == []


async def test_a_day_longer_than_a_page_is_told_whole_and_once(world):
    for _ in range(MANY):
        await bought(world, 59_900)
    assert len({line.line_ref for line in await told(world)}) == len(await told(world)) == MANY


@pytest.mark.parametrize("fault", ["register_missing", "register_extra", "register_amount"])
async def test_a_statement_can_be_wrong_and_is_so_at_every_reading(world, fault):
    payments = [await bought(world, 59_900) for _ in range(3)]
    await world.tell("faults", fault=fault, count=1)

    first, second = await told(world), await told(world)

    assert first == second
    known = [line for line in first if ours(line, *payments)]
    assert {"register_missing": (2, 2), "register_extra": (4, 3), "register_amount": (3, 3)}[fault] == (
        len(first),
        len(known),
    )
    wrong = [line for line in known if line.amount != 59_900]
    assert len(wrong) == (fault == "register_amount")


async def test_no_answer_is_no_empty_day(world):
    await bought(world, 59_900)
    await world.adapter.close()
    # Where the day's lines are read from: lists of the API, or the console's registers.
    world.adapter = world.make_adapter(url=f"{world.url}/nowhere", registers_url=f"{world.url}/nowhere")
    await world.adapter.start()
    with pytest.raises(StatementUnavailable):
        await told(world)


async def test_a_provider_refuses_unheard_what_its_capabilities_exclude(world):
    capabilities = world.adapter.capabilities
    request = a_request(provider=world.adapter.name, currency="XTS", operation_id=uuid4())
    assert (capabilities.request_refusal(request) == "unsupported_currency") == (capabilities.currencies is not None)
    for currency, least in capabilities.minimum.items():
        small = msgspec.structs.replace(request, currency=currency, amount=least - 1)
        assert capabilities.request_refusal(small) == "amount_too_small"
        assert (await world.adapter.perform(small)).reason == "amount_too_small"
        assert capabilities.request_refusal(msgspec.structs.replace(small, amount=least)) is None
        assert capabilities.request_refusal(msgspec.structs.replace(small, action=Action.REFUND)) is None
    for currency, step in capabilities.step.items():
        odd = msgspec.structs.replace(request, currency=currency, amount=10 * step + 1)
        for action in (Action.CREATE, Action.RECUR, Action.CAPTURE, Action.REFUND):
            asked = msgspec.structs.replace(odd, action=action)
            assert (await world.adapter.perform(asked)).reason == "unsupported_amount"
        assert capabilities.request_refusal(msgspec.structs.replace(odd, amount=10 * step)) is None
    for mode in set(CaptureMode) - capabilities.capture_modes:
        other = msgspec.structs.replace(request, currency="RUB", amount=10_000, capture_mode=mode)
        assert (await world.adapter.perform(other)).reason == "unsupported_capture_mode"
