"""A day on which no callback came: clearing finds every payment, and its provider's answer books it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from billing.clearing.discrepancies import Kind, State
from billing.vocabulary import PaymentStatus
from reconciliation.clearing.run import Outcome
from tests.support.clearing_at_provider import PRICE, WORLDS, AtProvider, at_provider

#: More than an empty side of a day may be set against before the statement is doubted.
PAYMENTS = 200


@pytest.fixture(params=WORLDS)
async def world(request: Any, tmp_path: Any, database: Any) -> AsyncIterator[AtProvider]:
    async with at_provider(database, request.param, tmp_path) as world:
        await world.provider.tell("faults", fault="callback_lost", rate=1.0)
        yield world


async def test_a_day_of_lost_callbacks_is_found_booked_and_counted(world: AtProvider) -> None:
    for _ in range(PAYMENTS):
        payment = await world.bought(hears=False)
        assert payment.status is PaymentStatus.PENDING
    ran = await world.run()
    assert (ran.outcome, ran.found) == (Outcome.DONE, {Kind.MISSING_HERE: PAYMENTS})
    await world.answer()
    await world.check_open()
    assert {*await world.states()} == {(Kind.MISSING_HERE, State.CLOSED)}
    learnt = await world.rows(
        "SELECT learnt_by, count(*), sum(amount)::bigint FROM operations WHERE type = 'CAPTURE' AND status = 'SUCCESS' GROUP BY 1"
    )
    assert learnt == [("inquiry", PAYMENTS, PAYMENTS * PRICE)]
    orders = (await world.provider.ask("GET", "/_sandbox/book", params={"limit": 1000}))["orders"]
    assert [order["captured"] for order in orders] == [PRICE] * PAYMENTS, "nobody is charged twice"
    await world.cleared(world.day)
    assert await world.audited() == []
    assert (await world.run()).found == {}
