"""What stops the renewals until somebody has looked."""

from datetime import timedelta

import pytest

from reconciliation.renewals.brake import FLOOR, MISSING_DATES
from reconciliation.renewals.job import Outcome, Run
from runtime.clock import utc_now
from tests.support.renewals import RenewalWorld

DUE = timedelta(days=32)


async def braked(world: RenewalWorld, ran: Run, reason: str) -> None:
    assert ran.outcome is Outcome.BRAKED
    assert ran.brake is not None
    assert reason in ran.brake
    assert world.wake_ups.sent == []
    assert world.metrics.registry.get_sample_value("renewals_braked") == 1.0


async def release(world: RenewalWorld) -> None:
    await world.execute(
        "UPDATE job_runs SET released_by = 'anna', release_reason = 'checked' WHERE braked_at IS NOT NULL"
    )


@pytest.mark.parametrize("apart", [timedelta(minutes=6), timedelta(minutes=-6)])
async def test_clocks_that_differ_stop_the_renewals(world: RenewalWorld, apart: timedelta) -> None:
    await world.subscribed(2, DUE)
    job = world.job(host_clock=lambda: utc_now() + apart)
    await braked(world, await job.run(), "clocks")
    # The brake stays until it is released, though the clocks agree again.
    await braked(world, await world.job().run(), "clocks")
    await release(world)
    assert (await job.run()).woken == 2


async def test_clocks_that_differ_a_little_stop_nothing(world: RenewalWorld) -> None:
    await world.subscribed(2, DUE)
    assert (await world.job(host_clock=lambda: utc_now() + timedelta(minutes=4)).run()).woken == 2


@pytest.mark.parametrize(("missing", "stops"), [(MISSING_DATES, False), (MISSING_DATES + 1, True)])
async def test_more_than_a_week_without_a_run_stops_the_renewals(
    world: RenewalWorld, missing: int, stops: bool
) -> None:
    await world.subscribed(2, DUE)
    await world.execute(
        "INSERT INTO job_runs (job, business_date, started_at)"
        " VALUES ('renewals', (now() AT TIME ZONE 'Europe/Moscow')::date - CAST(:days AS integer), now())",
        days=missing + 1,
    )
    ran = await world.job().run()
    if stops:
        await braked(world, ran, f"{missing} business dates are missing")
        await release(world)
        ran = await world.job().run()
    assert ran.woken == 2


async def _yesterday_foresaw(world: RenewalWorld, number: int, of_its_own: int = 0) -> None:
    """``number``: of today; ``of_its_own``: of yesterday itself."""
    await world.execute(
        """INSERT INTO job_runs (job, business_date, started_at, counts)
           SELECT 'renewals', today - 1, now(), jsonb_build_object('plan', jsonb_agg(jsonb_build_object(
               'date', day, 'provider', 'yookassa', 'currency', 'RUB', 'number', number, 'amount', 1
           )))
           FROM (SELECT (now() AT TIME ZONE 'Europe/Moscow')::date AS today) AS t,
           LATERAL (VALUES (today - 1, CAST(:of_its_own AS integer)), (today, CAST(:number AS integer))) AS d (day, number)
           GROUP BY today""",
        number=number,
        of_its_own=of_its_own,
    )


async def _are_due(world: RenewalWorld, number: int, days_ago: int) -> None:
    """So many customers whose charge is due since the beginning of a date."""
    await world.subscribed(number, DUE)
    await world.execute(
        "UPDATE subscriptions SET next_action = 'CHARGE', next_action_at = least(now(), (date_trunc('day',"
        " now() AT TIME ZONE 'Europe/Moscow') - make_interval(days => :days)) AT TIME ZONE 'Europe/Moscow')",
        days=days_ago,
    )


async def test_what_was_foreseen_for_yesterday_and_charged_is_not_foreseen_for_today(world: RenewalWorld) -> None:
    await _are_due(world, 130, days_ago=0)
    await _yesterday_foresaw(world, 80, of_its_own=130)
    await braked(world, await world.job().run(), "130 charges are due, 80 were foreseen")


async def test_what_yesterday_left_over_is_foreseen(world: RenewalWorld) -> None:
    await _are_due(world, 130, days_ago=1)
    await _yesterday_foresaw(world, 0, of_its_own=130)
    assert (await world.job().run()).woken == 130


async def test_more_left_over_than_yesterday_foresaw_stops_the_renewals(world: RenewalWorld) -> None:
    await _are_due(world, 130, days_ago=1)
    await _yesterday_foresaw(world, 0, of_its_own=80)
    await braked(world, await world.job().run(), "130 charges are due, 80 were foreseen")


@pytest.mark.parametrize(("foreseen", "stops"), [(100, False), (80, True)])
async def test_more_due_than_was_foreseen_stops_the_renewals(world: RenewalWorld, foreseen: int, stops: bool) -> None:
    await world.subscribed(130, DUE)
    await _yesterday_foresaw(world, foreseen)
    ran = await world.job().run()
    if stops:
        await braked(world, ran, f"130 charges are due, {foreseen} were foreseen")
        await release(world)
        ran = await world.job().run()
    assert ran.woken == 130


async def test_few_more_than_foreseen_stop_nothing(world: RenewalWorld) -> None:
    await world.subscribed(FLOOR // 2, DUE)
    await _yesterday_foresaw(world, 0)
    assert (await world.job().run()).woken == FLOOR // 2


async def _ended(world: RenewalWorld, ours: int, paid: int) -> None:
    await world.execute(
        """INSERT INTO renewal_attempts
           SELECT gen_random_uuid(), id, 100 + n, 1, 'RENEWAL', 'SCHEDULE',
                  CASE WHEN n <= :ours THEN 'FAILED' ELSE 'PAID' END, CASE WHEN n <= :ours THEN 'OURS' END, NULL,
                  amount, currency, provider, method_id, now(), clock_timestamp(), 1
           FROM subscriptions, generate_series(1, CAST(:total AS integer)) AS n
           WHERE id = (SELECT min(id::text)::uuid FROM subscriptions)""",
        ours=ours,
        total=ours + paid,
    )


@pytest.mark.parametrize(("ours", "paid", "stops"), [(101, 99, True), (100, 100, False), (150, 0, False)])
async def test_renewals_that_fail_by_a_fault_of_ours_stop_the_rest(
    world: RenewalWorld, ours: int, paid: int, stops: bool
) -> None:
    await world.subscribed(2, DUE)
    await _ended(world, ours, paid)
    ran = await world.job().run()
    if stops:
        await braked(world, ran, f"{ours} of the last 200 renewals of yookassa")
        await release(world)
        ran = await world.job().run()
    assert ran.woken == 2


async def test_renewals_that_go_on_failing_after_a_release_stop_again(world: RenewalWorld) -> None:
    await world.subscribed(2, DUE)
    await _ended(world, 200, 0)
    await world.job().run()
    await release(world)
    await world.execute("UPDATE renewal_attempts SET period = period + 1000 WHERE period > 99")
    await _ended(world, 200, 0)
    assert (await world.job().run()).outcome is Outcome.BRAKED


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("ended_at = now() + interval '1 day'", "they end at the time of a test clock that is ahead"),
        ("ended_at = ended_at - interval '1 hour'", "they are not the last ones"),
    ],
)
async def test_faults_of_ours_at_another_time_stop_nothing(world: RenewalWorld, change: str, why: str) -> None:
    await world.subscribed(2, DUE)
    await _ended(world, 200, 0)
    await world.execute(f"UPDATE renewal_attempts SET period = period + 1000, {change} WHERE period > 99")
    await _ended(world, 0, 200)
    assert (await world.job().run()).woken == 2, why


async def test_faults_of_ours_at_a_test_clock_stop_nothing(world: RenewalWorld) -> None:
    await world.subscribed(2, DUE)
    await _ended(world, 200, 0)
    await world.execute(
        "UPDATE subscriptions SET clock_id = id WHERE id IN (SELECT subscription_id FROM renewal_attempts WHERE period > 99)"
    )
    assert (await world.job().run()).woken == 1
