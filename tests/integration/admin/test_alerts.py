"""Alerts on the monitor, with a real Alertmanager: who is at one, and that it calls nobody meanwhile."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from billing.access.roles import Role
from monitoring.alerts import Alert, Alertmanager
from tests.support.alertmanager import FiringAlerts, an_alertmanager, minutes_ago
from tests.unit.admin.conftest import World, serving

REASON = {"hours": "4", "reason": "the provider works on it"}


@pytest.fixture
async def firing(tmp_path: Path) -> AsyncIterator[FiringAlerts]:
    async with an_alertmanager(tmp_path) as server:
        yield server


@pytest.fixture
async def world(firing: FiringAlerts) -> AsyncIterator[World]:
    async with serving(alertmanager_url=firing.url) as made:
        made.headers = {}
        await made.sign_in(Role.SUPPORT)
        yield made


async def only(firing: FiringAlerts) -> Alert:
    (alert,) = await Alertmanager(firing.url).alerts()
    return alert


async def text(answer: aiohttp.ClientResponse, status: int = 200) -> str:
    assert answer.status == status, await answer.text()
    return await answer.text()


async def test_those_that_wake_somebody_come_first_then_the_longest_and_the_watchdog_is_none(
    world: World, firing: FiringAlerts
) -> None:
    await firing.fire("LettersOpen", minutes_ago(90), "ticket")
    await firing.fire("OldestUnfinished", minutes_ago(5), provider="tbank")
    await firing.fire("BreakerOpen", minutes_ago(30), provider="stripe")
    await firing.fire("Watchdog", minutes_ago(1000), "ticket")
    page = await text(await world.get("/monitor"))
    places = [page.index(f"About {name}") for name in ("BreakerOpen", "OldestUnfinished", "LettersOpen")]
    assert places == sorted(places)
    assert "About Watchdog" not in page
    assert page.count("nobody") == 3


async def test_alerts_of_our_rules_are_in_the_readers_language_and_others_as_they_are(
    world: World, firing: FiringAlerts
) -> None:
    said = {"summary": "Oldest unpaid payment", "notice": "a customer does not know whether the order is paid"}
    await firing.fire("OldestUnfinished", minutes_ago(5), said=said)
    await firing.fire("Others", minutes_ago(9), said={"summary": "100 %(full)s", "notice": "50 % are gone"})
    for language, summary, notice in (("ru", "Самый старый неоплаченный платёж", "не знает, оплачен ли заказ"), ("en", *said.values())):  # fmt: skip
        world.accounts.language = language
        page = await text(await world.get("/monitor"))
        assert summary in page
        assert "100 %(full)s" in page
        for alert in await Alertmanager(firing.url).alerts():
            shown = await text(await world.get(f"/monitor/alerts/{alert.id}"))
            assert (notice if alert.name == "OldestUnfinished" else "50 % are gone") in shown


async def test_an_acknowledged_alert_calls_nobody_shows_who_is_at_it_and_calls_again_after_its_time(
    world: World, firing: FiringAlerts
) -> None:
    await firing.fire("OldestUnfinished", minutes_ago(5), provider="tbank")
    await firing.fire("BreakerOpen", minutes_ago(3), provider="tbank")
    alert = (await Alertmanager(firing.url).alerts())[0]
    page = await text(await world.get(f"/monitor/alerts/{alert.id}"))
    assert "a customer waits" in page
    done = await world.post(f"/monitor/alerts/{alert.id}/acknowledge", REASON)
    assert (done.status, done.headers["Location"]) == (303, "/monitor")
    quiet = {one.name: one.acknowledged for one in await Alertmanager(firing.url).alerts()}
    assert quiet["BreakerOpen"] is None, "only the one"
    by = quiet["OldestUnfinished"]
    assert by is not None
    assert (by.by, by.comment) == ("ann@cinema.example", "the provider works on it")
    assert timedelta(hours=3, minutes=59) < by.until - datetime.now(UTC) <= timedelta(hours=4)
    assert "ann@cinema.example" in await text(await world.get("/monitor"))
    (silence,) = await firing.silences()
    assert {one["name"]: one["value"] for one in silence["matchers"]} == alert.labels
    entry = world.trail.entries[-1]
    assert (entry.kind, entry.subject_id, entry.reason) == ("alert", "OldestUnfinished", "the provider works on it")


@pytest.mark.parametrize(
    "form", [{"hours": "4", "reason": " "}, {"hours": "400", "reason": "tired"}, {"hours": "", "reason": "tired"}]
)
async def test_an_alert_is_not_acknowledged_without_a_reason_or_for_another_time(
    world: World, firing: FiringAlerts, form: dict[str, str]
) -> None:
    await firing.fire("OldestUnfinished", minutes_ago(5))
    alert = await only(firing)
    await text(await world.post(f"/monitor/alerts/{alert.id}/acknowledge", form), 422)
    assert await firing.silences() == []
    assert world.trail.entries == []


async def test_nothing_is_silenced_that_is_not_on_the_trail(world: World, firing: FiringAlerts) -> None:
    await firing.fire("OldestUnfinished", minutes_ago(5))
    world.trail.unavailable = True
    await text(await world.post(f"/monitor/alerts/{(await only(firing)).id}/acknowledge", REASON), 503)
    assert await firing.silences() == []


async def test_an_alert_that_does_not_fire_is_not_found(world: World) -> None:
    await text(await world.get("/monitor/alerts/0123456789abcdef"), 404)
    await text(await world.get("/monitor/alerts/..%2Fsilences"), 404)


async def test_without_an_answer_the_monitor_says_that_alerts_are_not_known() -> None:
    async with serving(alertmanager_url="http://127.0.0.1:1") as made:
        made.headers = {}
        await made.sign_in(Role.SUPPORT)
        assert "which alerts fire is not known" in await text(await made.get("/monitor"))
        await text(await made.get("/monitor/alerts/0123456789abcdef"), 503)


async def test_without_an_alertmanager_the_monitor_has_no_alerts() -> None:
    async with serving() as made:
        made.headers = {}
        await made.sign_in(Role.SUPPORT)
        assert 'id="alerts"' not in await text(await made.get("/monitor"))
