"""The renewal job with the real subscriptions agent on a real Postgres: nobody is charged twice, nobody is forgotten."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from billing.messages.subscription_commands import ProviderState
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.vocabulary import Status
from reconciliation.renewals.job import Outcome
from reconciliation.renewals.pace import Bounds
from runtime.clock import utc_now
from runtime.kafka.publisher import OutboundMessage
from storage.processes.locks import Lock, held
from tests.support.renewals import RenewalWorld
from tests.support.streams import Crash
from tests.support.subscriptions import price

#: A monthly period that began so long ago ended five days ago.
FIVE_DAYS_OVER = timedelta(days=36)
CUSTOMERS = 40


async def renewed_once(world: RenewalWorld, ids: list[UUID]) -> None:
    assert world.renewals() == dict.fromkeys(ids, 1)
    for subscription in await world.subscriptions(ids):
        assert subscription.status is Status.ACTIVE
        assert subscription.period is not None
        assert subscription.period.number == 2
        assert subscription.period.end_at > utc_now()


async def test_after_five_days_without_a_scheduler_everybody_is_charged_once(world: RenewalWorld) -> None:
    ids = await world.subscribed(CUSTOMERS, FIVE_DAYS_OVER)
    assert await world.run_until_quiet() >= CUSTOMERS
    await renewed_once(world, ids)
    assert "payment_failed" not in world.letters()


async def test_wake_ups_that_come_again_charge_nobody_again(world: RenewalWorld) -> None:
    ids = await world.subscribed(CUSTOMERS, FIVE_DAYS_OVER)
    job = world.job()
    for _ in range(3):  # the agent is slow: nothing is processed between two runs
        assert (await job.run()).woken == CUSTOMERS
    await world.take()
    await world.run_until_quiet(job)
    await renewed_once(world, ids)


async def test_a_job_that_dies_in_the_middle_of_a_page_forgets_nobody(world: RenewalWorld) -> None:
    ids = await world.subscribed(CUSTOMERS, FIVE_DAYS_OVER)
    world.wake_ups.crash_after = CUSTOMERS // 3
    with pytest.raises(Crash):
        await world.job().run()
    world.wake_ups.crash_after = None
    await world.take()
    await world.run_until_quiet()
    await renewed_once(world, ids)


async def test_pages_are_small_and_lose_nobody(world: RenewalWorld) -> None:
    ids = await world.subscribed(CUSTOMERS, FIVE_DAYS_OVER)
    bounds = Bounds(per_s=None, unanswered=1_000_000, waiting=1_000_000, page=7)
    assert (await world.job(bounds).run()).woken == CUSTOMERS
    assert sorted(world.wake_ups.woken()) == sorted(ids)


async def test_whoever_is_due_longest_is_woken_first(world: RenewalWorld) -> None:
    ids = await world.subscribed(12, FIVE_DAYS_OVER)
    await world.execute(
        "UPDATE subscriptions SET next_action_at = now() - place * interval '1 hour'"
        " FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM subscriptions) AS placed"
        " WHERE placed.id = subscriptions.id"
    )
    bounds = Bounds(per_s=None, unanswered=1_000_000, waiting=1_000_000, page=5)
    await world.job(bounds).run()
    assert world.wake_ups.woken() == sorted(ids, reverse=True)


async def test_a_stop_ends_the_run_after_its_page(world: RenewalWorld) -> None:
    await world.subscribed(12, FIVE_DAYS_OVER)
    job = world.job(Bounds(per_s=None, unanswered=1_000_000, waiting=1_000_000, page=5))
    publish = world.wake_ups.publish

    async def and_stop(outputs: Sequence[OutboundMessage]) -> None:
        await publish(outputs)
        job.stop()

    world.wake_ups.publish = and_stop  # type: ignore[method-assign]
    assert (await job.run()).woken == len(world.wake_ups.sent) == 5


async def test_a_run_ends_in_time_and_says_that_there_is_more(world: RenewalWorld) -> None:
    await world.subscribed(12, FIVE_DAYS_OVER)
    job = world.job(Bounds(per_s=None, unanswered=1_000_000, waiting=1_000_000, page=5))
    publish = world.wake_ups.publish

    async def slowly(outputs: Sequence[OutboundMessage]) -> None:
        await publish(outputs)
        await asyncio.sleep(0.6)

    world.wake_ups.publish = slowly  # type: ignore[method-assign]
    ran = await job.run(seconds=0.5)
    assert (ran.outcome, ran.woken) == (Outcome.OUT_OF_TIME, 5)


async def test_two_schedulers_at_once_charge_everybody_once(world: RenewalWorld) -> None:
    ids = await world.subscribed(CUSTOMERS, FIVE_DAYS_OVER)
    first, second = world.job(), world.job()
    for _ in range(6):
        await asyncio.gather(first.run(), second.run())
        await world.take()
    await renewed_once(world, ids)


async def test_one_run_at_a_time(world: RenewalWorld) -> None:
    await world.subscribed(2, FIVE_DAYS_OVER)
    async with held(world.engine, Lock.RENEWALS) as got:
        assert got
        assert (await world.job().run()).outcome is Outcome.BUSY
    assert (await world.job().run()).woken == 2


async def test_nobody_is_woken_while_no_worker_knows_wake_ups(world: RenewalWorld) -> None:
    await world.subscribed(2, FIVE_DAYS_OVER)
    await world.execute("UPDATE process_leases SET understood = '{}'")
    assert (await world.job().run()).outcome is Outcome.NO_WORKER
    assert world.wake_ups.sent == []


async def test_subscriptions_of_a_test_clock_are_left_alone(world: RenewalWorld) -> None:
    ids = await world.subscribed(3, FIVE_DAYS_OVER)
    await world.execute("UPDATE subscriptions SET clock_id = id WHERE id = :id", id=ids[0])
    await world.job().run()
    assert sorted(world.wake_ups.woken()) == sorted(ids[1:])


async def _at_their_charge(world: RenewalWorld, number: int, started: timedelta) -> list[UUID]:
    """Customers whose charge is due; all notices before it were sent."""
    ids = await world.subscribed(number, started)
    await world.switch("yookassa", enabled=False)
    await world.run_until_quiet()
    await world.switch("yookassa", enabled=True)
    world.wake_ups.sent.clear()
    world.wake_ups.taken = 0
    return ids


async def test_charges_take_tokens_and_notices_do_not(world: RenewalWorld) -> None:
    charged = await _at_their_charge(world, 20, timedelta(days=32))
    await world.execute(
        "UPDATE subscriptions SET next_action = 'NOTICE' WHERE id = ANY(:ids)", ids=[str(id) for id in charged[:10]]
    )
    bounds = Bounds(per_s=0.4, unanswered=1_000_000, waiting=1_000_000)
    ran = await world.job(bounds).run(seconds=0.5)
    assert ran.outcome is Outcome.OUT_OF_TIME
    woken = world.wake_ups.woken()
    assert set(charged[:10]) <= set(woken)
    assert len(woken) == 10 + 4, "tokens for ten seconds are saved up"


@pytest.mark.parametrize(
    ("bounds", "waiting", "expected"),
    [
        (Bounds(per_s=None, unanswered=5), 0, 5),
        (Bounds(per_s=None, unanswered=5), 2, 3),
        (Bounds(per_s=None, unanswered=5), 5, 0),
        (Bounds(per_s=None, unanswered=1_000_000, waiting=10), 3, 7),
    ],
)
async def test_what_waits_already_bounds_what_is_woken(
    world: RenewalWorld, bounds: Bounds, waiting: int, expected: int
) -> None:
    await _at_their_charge(world, 12, timedelta(days=32))
    await world.job(bounds, waiting=waiting).run(seconds=0.2)
    assert len(world.wake_ups.sent) == expected


async def test_notices_and_charges_together_fill_the_inbox_up_to_its_bound(world: RenewalWorld) -> None:
    ids = await _at_their_charge(world, 12, timedelta(days=32))
    await world.execute(
        "UPDATE subscriptions SET next_action = 'NOTICE' WHERE id = ANY(:ids)", ids=[str(id) for id in ids[:6]]
    )
    await world.job(Bounds(per_s=None, unanswered=1_000_000, waiting=8)).run(seconds=0.2)
    assert len(world.wake_ups.sent) == 8


async def test_renewals_without_an_answer_bound_what_is_woken(world: RenewalWorld) -> None:
    await _at_their_charge(world, 12, timedelta(days=32))
    bounds = Bounds(per_s=None, unanswered=8)
    await world.job(bounds).run(seconds=0.2)
    assert len(world.wake_ups.sent) == 8
    await world.process()
    assert await world.execute("SELECT count(*) FROM renewal_attempts WHERE state = 'REQUESTED'") == [(8,)]
    await world.job(bounds).run(seconds=0.2)
    assert len(world.wake_ups.sent) == 8


async def test_renewals_without_an_answer_of_another_provider_bound_nothing(world: RenewalWorld) -> None:
    await _at_their_charge(world, 12, timedelta(days=32))
    await world.execute(
        """INSERT INTO renewal_attempts
           SELECT gen_random_uuid(), id, 100, 1, 'RENEWAL', 'SCHEDULE', 'REQUESTED', NULL, NULL, amount, currency, 'stripe',
                  method_id, now(), NULL, 1 FROM subscriptions"""
    )
    await world.job(Bounds(per_s=None, unanswered=8)).run(seconds=0.2)
    assert len(world.wake_ups.sent) == 8


@pytest.mark.parametrize(
    ("off_after", "period_continues"), [(timedelta(hours=-1), True), (timedelta(days=2, hours=12), False)]
)
async def test_a_provider_that_is_off_for_two_days_costs_nobody_access_and_sends_no_letter(
    world: RenewalWorld, off_after: timedelta, period_continues: bool
) -> None:
    """Off from so long after the end of the paid period on; until then nobody ran the renewals either, so that in the second
    case the access of three more days runs out meanwhile."""
    ids = await world.subscribed(CUSTOMERS, timedelta(0))
    paid = (await world.subscriptions(ids))[0].period
    assert paid is not None
    await world.pass_time(paid.end_at - timedelta(hours=12))
    await world.run_until_quiet()  # the renewal is announced
    before = world.letters()
    off = paid.end_at + off_after
    await world.pass_time(off)
    await world.switch("yookassa", enabled=False)
    for hours in range(0, 49, 3):
        await world.pass_time(off + timedelta(hours=hours))
        await world.run_until_quiet()
        for subscription in await world.subscriptions(ids):
            assert subscription.status is Status.ACTIVE
            assert subscription.access_until is not None
            assert subscription.access_until > world.clock() + timedelta(hours=3), f"{hours} hours after it went off"
    assert (world.access_taken(), world.renewals(), world.letters() - before) == ([], {}, {})

    await world.switch("yookassa", enabled=True)
    back = world.clock()
    await world.run_until_quiet()
    assert world.renewals() == dict.fromkeys(ids, 1)
    for subscription in await world.subscriptions(ids):
        period = subscription.period
        assert period is not None
        assert period.number == 2
        if period_continues:
            assert period.start_at == paid.end_at
        else:
            assert back <= period.start_at <= world.clock(), "what was not paid for in time is not sold backwards"
        assert (subscription.access_until or period.start_at) > period.end_at
    assert world.letters() - before == {"renewed": CUSTOMERS}
    assert world.access_taken() == []


async def test_a_provider_that_is_off_for_a_whole_unpaid_period_has_nobody_woken_until_it_is_back(
    world: RenewalWorld,
) -> None:
    ids = await world.subscribed(3, timedelta(0), price=price(cadence=Cadence(Unit.WEEK, 1)))
    await world.switch("yookassa", enabled=False)
    for days in range(7, 15):
        await world.pass_time(utc_now() + timedelta(days=days, hours=1))
        await world.run_until_quiet()
    ends = [subscription.access_until for subscription in await world.subscriptions(ids)]
    assert all(end is not None and end < world.clock() for end in ends), "a second week is not given away"
    for days in range(15, 18):
        await world.pass_time(utc_now() + timedelta(days=days))
        assert (await world.job().run()).woken == 0
    assert world.renewals() == {}

    await world.switch("yookassa", enabled=True)
    await world.run_until_quiet()
    assert world.renewals() == dict.fromkeys(ids, 1)


async def _at_risk(world: RenewalWorld) -> list[UUID]:
    """Customers of a provider that is off, whose access runs out within the hour."""
    ids = await _at_their_charge(world, 12, timedelta(days=32))
    await world.execute("UPDATE subscriptions SET access_until = now() + interval '1 hour', held_at_most = NULL")
    await world.switch("yookassa", enabled=False)
    return ids


async def test_those_at_risk_are_not_woken_every_minute(world: RenewalWorld) -> None:
    ids = await _at_risk(world)
    job = world.job()
    assert [(await job.run()).woken for _ in range(3)] == [len(ids), 0, 0]


async def test_a_provider_that_is_switched_on_during_a_run_has_everybody_woken_in_it(world: RenewalWorld) -> None:
    ids = await _at_risk(world)
    publish = world.wake_ups.publish

    async def and_switch_on(outputs: Sequence[OutboundMessage]) -> None:
        await publish(outputs)
        await world.switch("yookassa", enabled=True)

    world.wake_ups.publish = and_switch_on  # type: ignore[method-assign]
    await world.job(Bounds(per_s=None, unanswered=1_000_000, waiting=1_000_000, page=5)).run()
    charged = [wake.subscription_id for wake in world.wake_ups.messages() if wake.provider_state is ProviderState.OK]
    assert sorted(charged) == sorted(ids)


async def test_an_open_breaker_holds_charges_back(world: RenewalWorld) -> None:
    await world.subscribed(3, FIVE_DAYS_OVER)
    await world.execute("INSERT INTO provider_breakers VALUES ('yookassa', 'w', 'timeouts', now(), now())")
    await world.run_until_quiet()
    assert world.renewals() == {}
    assert {wake.provider_state for wake in world.wake_ups.messages()} == {ProviderState.HELD}
    await world.execute("DELETE FROM provider_breakers")
    await world.run_until_quiet()
    assert len(world.renewals()) == 3


async def test_a_retry_knows_how_often_the_method_was_tried_for_all_subscriptions(world: RenewalWorld) -> None:
    world.respond = lambda _: "insufficient_funds"
    (id,) = await world.subscribed(1, timedelta(days=32))
    await world.run_until_quiet()
    (subscription,) = await world.subscriptions([id])
    assert subscription.status is Status.PAST_DUE
    # The next retry is due; the method was tried elsewhere six times, once more by a fault of ours, and long ago.
    await world.execute("UPDATE subscriptions SET next_action = 'RETRY', next_action_at = now() - interval '1 minute'")
    await world.execute(
        """INSERT INTO renewal_attempts
           SELECT gen_random_uuid(), subscription_id, 100 + n, 1, purpose, trigger, 'FAILED',
                  CASE n WHEN 7 THEN 'OURS' ELSE 'SOFT' END, reason, amount, currency, provider, method_id,
                  now() - CASE n WHEN 8 THEN interval '31 days' ELSE interval '2 days' END, now(), 1
           FROM renewal_attempts, generate_series(1, 8) AS n WHERE purpose = 'RENEWAL'"""
    )
    world.wake_ups.sent.clear()
    await world.job().run()
    (wake,) = world.wake_ups.messages()
    assert wake.method_tries == 7
    assert wake.method_tried_at is not None
    assert wake.method_tried_at > utc_now() - timedelta(hours=1)


async def test_the_run_of_a_date_is_one_row_with_its_plan_and_missed_dates_are_opened_with_it(
    world: RenewalWorld,
) -> None:
    await world.subscribed(3, timedelta(days=20))
    await world.job().run()
    await world.execute("UPDATE job_runs SET business_date = business_date - 3")
    await world.job().run()
    await world.job().run()
    rows = await world.execute(
        "SELECT business_date - (now() AT TIME ZONE 'Europe/Moscow')::date, counts ? 'plan', finished_at IS NOT NULL"
        " FROM job_runs WHERE job = 'renewals' ORDER BY 1"
    )
    assert rows == [(-3, True, True), (-2, False, True), (-1, False, True), (0, True, False)]
    ((plan,),) = await world.execute(
        "SELECT counts -> 'plan' FROM job_runs WHERE business_date = (now() AT TIME ZONE 'Europe/Moscow')::date"
    )
    assert sum(due["number"] for due in plan) == 3
    assert sum(due["amount"] for due in plan) == 3 * 39_900


async def test_a_date_is_not_finished_while_somebody_is_due_on_it(world: RenewalWorld) -> None:
    await world.subscribed(1, FIVE_DAYS_OVER)
    await world.switch("yookassa", enabled=False)
    await world.run_until_quiet()
    await world.execute("UPDATE job_runs SET business_date = business_date - 1")
    await world.job().run()
    assert await world.execute("SELECT count(*) FROM job_runs WHERE finished_at IS NULL") == [(2,)]
    await world.switch("yookassa", enabled=True)
    await world.run_until_quiet()
    assert await world.execute("SELECT count(*) FROM job_runs WHERE finished_at IS NULL") == [(1,)]


async def test_what_a_run_did_not_come_to_is_first_in_the_next(world: RenewalWorld) -> None:
    await _at_their_charge(world, 6, timedelta(days=32))
    job = world.job(Bounds(per_s=None, unanswered=4))
    await job.run(seconds=0.2)
    first = world.wake_ups.woken()
    await world.take()
    await job.run(seconds=0.2)
    assert len(first) == 4
    assert len(world.wake_ups.woken()) == len(set(world.wake_ups.woken())) == 6
