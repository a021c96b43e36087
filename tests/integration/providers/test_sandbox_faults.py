"""The sandbox' faults: how they are set, when they strike, and what really happened."""

import asyncio
from collections import Counter

import aiohttp
import pytest

from billing.vocabulary import Action, Outcome
from tests.support.sandbox import ProviderWorld, a_request, about


@pytest.mark.parametrize("action", [Action.CAPTURE, Action.VOID, Action.REFUND, Action.ROLLBACK])
async def test_an_operation_happens_once_although_it_is_sent_again_after_an_error(world: ProviderWorld, action):
    request = await world.paid(two_stage=action in (Action.CAPTURE, Action.VOID))
    name = action.value.lower()
    await world.tell("faults", fault="error_500_after_commit", operation=name, count=1)
    operation = about(request, action)
    assert (await world.adapter.perform(operation)).outcome is Outcome.UNKNOWN
    assert (await world.adapter.perform(operation)).outcome in (Outcome.SUCCEEDED, Outcome.PENDING)
    book = await world.book(request.order_ref)
    assert max(Counter(o["type"] for o in book["operations"]).values()) == 1
    assert book["requests"][name] == 2


async def test_a_slow_answer_is_an_answer(world: ProviderWorld):
    await world.tell("faults", fault="slow", operation="create", count=1, delay_ms=200)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await world.open()
    assert loop.time() - started >= 0.2


async def test_a_lost_callback_does_not_come_late_either(world: ProviderWorld):
    await world.tell("faults", fault="callback_lost", operation="pay", count=1)
    lost = await world.open()
    await world.customer(lost, "pay")
    later = await world.paid()
    assert (world.statuses(lost), world.statuses(later)) == ([], ["CAPTURED"])


async def test_a_fault_by_rate_strikes_the_same_calls_for_the_same_seed(world: ProviderWorld):
    async def outcomes() -> list[Outcome]:
        await world.ask("DELETE", "/_sandbox/faults")
        await world.tell("faults", fault="rate_limited", operation="create", rate=0.5, seed=7)
        return [(await world.adapter.perform(a_request())).outcome for _ in range(30)]

    first = await outcomes()
    assert set(first) == {Outcome.PENDING, Outcome.NOT_SENT}
    assert await outcomes() == first


async def test_faults_are_listed_with_what_is_left_of_them_and_strike_only_their_operation(world: ProviderWorld):
    await world.tell("faults", fault="error_500_before_commit", operation="refund", count=2)
    request = await world.paid()
    assert (await world.adapter.perform(about(request, Action.REFUND))).outcome is Outcome.UNKNOWN
    (listed,) = (await world.ask("GET", "/_sandbox/faults"))["faults"]
    assert (listed["fault"], listed["operation"], listed["count"]) == ("error_500_before_commit", "refund", 1)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"fault":"meteorite","count":1}',
        b'{"fault":"slow"}',
        b'{"fault":"slow","count":1,"rate":1}',
        b'{"fault":"slow","count":1,"operation":"dance"}',
        b'{"fault":"slow","count":1,"delay":5}',
        b'{"fault":"slow","count":1,"method":"pm_1"}',
    ],
)
async def test_a_fault_that_cannot_be_understood_is_refused(world: ProviderWorld, body):
    async with aiohttp.ClientSession() as http, http.post(f"{world.url}/_sandbox/faults", data=body) as answer:
        assert answer.status == 400


async def test_a_callback_that_is_held_back_comes_after_the_later_ones(world: ProviderWorld):
    await world.tell("merchant", two_stage=True)
    await world.tell("faults", fault="callback_reordered", operation="pay", count=1, delay_ms=400)
    request = await world.open()
    await world.customer(request, "pay")
    assert (await world.adapter.perform(about(request, Action.CAPTURE))).outcome is Outcome.SUCCEEDED
    await world.until(lambda: len(world.statuses(request)) == 2)
    assert world.statuses(request) == ["CAPTURED", "AUTHORIZED"]
