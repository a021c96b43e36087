"""The page /monitor in a browser: in a night in which much is wrong, in a quiet one, and without Postgres."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page

from billing.access.roles import Role
from monitoring.books import Books, ConsumerLag
from monitoring.measures import SHOWN, Line, Measure
from monitoring.recent import sample
from runtime.kafka.lag import Lag
from storage.monitoring import Approvals, Difference, Group, Job, Processes, Unfinished
from storage.providers.switches import OpenBreaker, Switch
from tests.browser.conftest import is_fit_for_people, signed_in
from tests.support.alertmanager import an_alertmanager, minutes_ago
from tests.unit.admin.conftest import World, serving
from tests.unit.monitoring.test_view import FINE, NOW

NIGHT = Books(
    at=NOW,
    **FINE
    | {
        "unfinished": [
            Unfinished("tbank", "PENDING", 3, NOW - timedelta(hours=2), UUID(int=1)),
            Unfinished("stripe", "AUTHORIZED", 41, NOW - timedelta(days=3), UUID(int=2)),
        ],
        "unknown": [Group("tbank", "REFUND", 2, NOW - timedelta(minutes=33))],
        "lags": [
            ConsumerLag("payments", "billing.payments.inbox", 0, 10, Lag(14, 90, 90), 3.5),
            ConsumerLag("provider", "billing.provider.requests", 0, 10, Lag(0, 0, 0), 7.0),
            ConsumerLag("sink.clickhouse", "billing.events", 0, 10, None),
        ],
        "letters_open": 2,
        "parked": [Group("stripe", "callback", 4, NOW - timedelta(minutes=12))],
        "approvals": [Approvals("waiting", 2, NOW - timedelta(hours=5))],
        "switches": {"yookassa": Switch(False, "they have an outage", "ann@cinema.example", NOW)},
        "breakers": [OpenBreaker("tbank", "w1", "timeout", NOW)],
        "imbalance": {"RUB": -100},
        "differences": [Difference("stripe", "amount", "RUB", 3, -1_250)],
        "jobs": [Job("renewals", NOW - timedelta(hours=13), NOW, True)],
        "processes": [Processes("worker", "0.1.0", 2), Processes("worker", "0.2.0", 1)],
    },
)


@pytest.fixture
async def admin() -> AsyncIterator[World]:
    async with serving() as world:
        yield world


@pytest.fixture
async def page(browser: Browser, admin: World) -> Page:
    page = await browser.new_page()
    await signed_in(page, admin, role=Role.VIEWER)
    return page


async def test_a_bad_night(page: Page, admin: World) -> None:
    admin.recent.books = NIGHT
    admin.recent.samples += [sample(NIGHT), {}, sample(NIGHT), sample(NIGHT)]
    await page.get_by_role("link", name="Monitor").click()
    first = page.locator("section").first
    assert await first.get_by_text("act now").is_visible()
    assert (await first.get_by_role("heading").inner_text()).strip() == "Oldest unfinished payments"
    assert await page.locator("svg.spark polyline").count() > 1, "the gap is a gap"
    await is_fit_for_people(page, "monitor-night")


async def test_the_page_follows_by_itself_and_keeps_the_keyboard_where_it_is(page: Page, admin: World) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    admin.recent.books = NIGHT
    await page.clock.install()
    await page.goto(f"{admin.url}/monitor")
    region = page.get_by_role("region", name="Consumers")
    await region.focus()
    admin.recent.books = Books(at=NOW, **FINE | {"lags": NIGHT.lags})
    async with page.expect_response(lambda response: response.url.endswith("/monitor")):
        await page.clock.fast_forward(10_000)
    await page.get_by_text("every payment is final").wait_for()
    assert await region.evaluate("element => element === document.activeElement")
    admin.accounts.roles.clear()
    await page.clock.fast_forward(10_000)
    await page.get_by_label("Password").wait_for()
    assert page.url.endswith("/sign-in?next=/monitor")
    assert complaints == []


async def test_a_quiet_night_and_one_without_postgres(page: Page, admin: World) -> None:
    admin.recent.books = Books(at=NOW, **FINE)
    await page.goto(f"{admin.url}/monitor")
    assert await page.get_by_text("every payment is final").is_visible()
    await is_fit_for_people(page, "monitor-quiet")

    admin.recent.failing_since = NOW
    await page.get_by_role("link", name="Read again").click()
    assert await page.get_by_text("PostgreSQL does not answer since").is_visible()
    await is_fit_for_people(page, "monitor-without-postgres")


async def test_alerts_and_the_page_of_one(browser: Browser, tmp_path: Path) -> None:
    async with an_alertmanager(tmp_path) as firing, serving(alertmanager_url=firing.url) as admin:
        await firing.fire("OldestUnfinished", minutes_ago(125), provider="tbank", state="PENDING")
        await firing.fire("LettersOpen", minutes_ago(40), "ticket")
        page = await browser.new_page()
        await signed_in(page, admin, role=Role.SUPPORT)
        admin.recent.books = Books(at=NOW, **FINE)
        await page.goto(f"{admin.url}/monitor")
        await page.get_by_role("link", name="About OldestUnfinished").click()
        await is_fit_for_people(page, "alert")
        await page.get_by_label("For").select_option("4")
        await page.get_by_label("Reason").fill("the provider works on it")
        await page.get_by_role("button", name="Acknowledge").click()
        await page.get_by_text("quiet").wait_for()
        await is_fit_for_people(page, "monitor-alerts")


async def test_what_processes_tell(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, failed, delivered = (
        next(one for one in SHOWN if one.title == title)
        for title in ("Calls by outcome", "Time of a call, 95th percentile", "Delivered")
    )
    told = [
        Measure(calls, [Line("yandex-pay SUCCEEDED", [None, 3.0, 3.5]), Line("tbank UNKNOWN", [0.0, 0.1, 0.2])]),
        Measure(failed, [Line("yandex-pay", [0.2, None, 0.085]), Line("tbank", [12.0, 15.0, None])]),
        Measure(delivered, []),
    ]

    async def measures(_self: Any) -> list[Measure]:
        return told

    monkeypatch.setattr("monitoring.measures.Prometheus.measures", measures)
    async with serving(prometheus_url="http://127.0.0.1:1") as admin:
        page = await browser.new_page()
        await signed_in(page, admin, role=Role.SUPPORT)
        admin.recent.books = Books(at=NOW, **FINE)
        await page.goto(f"{admin.url}/monitor")
        assert await page.get_by_text("85 ms").is_visible()
        assert await page.get_by_text("3.5 a second").is_visible()
        assert await page.get_by_text("Nothing was told within two hours.").is_visible()
        await is_fit_for_people(page, "monitor-measures")
