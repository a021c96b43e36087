"""Clearing's pages in both widths and schemes; a discrepancy claimed and decided, a run asked for and followed, and a day
of the books closed, by keyboard."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from playwright.async_api import Browser, Page

from admin.people import cookies
from billing.access.roles import Role
from billing.clearing.discrepancies import Kind
from providers.statements import LineKind
from reconciliation.clearing.job import job_name
from runtime.clock import utc_now
from storage import job_runs
from tests.browser.conftest import is_fit_for_people
from tests.integration.conftest import database, migrated  # noqa: F401 - fixtures
from tests.support.clearing import DAY, SETTLEMENT, charge, line
from tests.support.clearing_panel import ClearingPanel
from tests.support.factories import PROVIDER
from tests.support.ledger import books_begin
from tests.unit.admin.conftest import serving


@pytest.fixture
async def panel(
    database: Any,  # noqa: F811 - the fixture that is imported
    stack: dict[str, Any],
) -> AsyncIterator[ClearingPanel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = ClearingPanel(world, database)
        world.accounts.person = panel.person
        yield panel


async def signed_in(browser: Browser, panel: ClearingPanel, name: str, role: Role = Role.FINANCE) -> Page:
    panel.become(name, role)
    context = await browser.new_context(java_script_enabled=True)
    await context.add_cookies([{"name": cookies.SESSION, "value": f"session-of-{name}", "url": panel.world.url}])
    return await context.new_page()


async def weeks(panel: ClearingPanel) -> None:
    """Days of four providers: most agree; the latest has every kind of difference that a statement can have."""
    await books_begin(panel.stream.engine, DAY - timedelta(days=3))
    async with panel.stream.engine.begin() as connection:
        for name in ("stripe", "tbank", "yookassa", PROVIDER):
            for ago in range(1, 30):
                if (name, ago) in (("tbank", 1), ("stripe", 5)):
                    continue
                await job_runs.open_runs(connection, job_name(name), [DAY - timedelta(days=ago)])
                if (name, ago) == ("yookassa", 2):
                    await job_runs.record(
                        connection, job_name(name), DAY - timedelta(days=ago), {"reason": "not ready"}
                    )
                elif (name, ago) != ("stripe", 1):
                    await job_runs.finish_date(connection, job_name(name), DAY - timedelta(days=ago), {"lines": 3})
        await job_runs.brake(connection, job_name("tbank"), DAY - timedelta(days=3), "half of the lines are of nobody")
    wrong, foreign, twice, fine, _late = await panel.books.paid(5)
    panel.books.has(
        msgspec.structs.replace(charge(wrong), amount=wrong.captured - 10_050),
        msgspec.structs.replace(charge(foreign), currency="USD"),
        charge(twice),
        msgspec.structs.replace(charge(twice), line_ref="again"),
        charge(fine),
        line(LineKind.CHARGE, 123_456_789, line_ref="pay_" + "7" * 40, order_ref="nobody's", provider_ref="n-1"),
        line(LineKind.OTHER, 300, raw_type="Mystery"),
    )
    await panel.books.clear()


async def test_the_pages_of_clearing(browser: Browser, panel: ClearingPanel) -> None:
    page = await signed_in(browser, panel, "anna", Role.ADMIN)
    url = panel.world.url
    await page.goto(f"{url}/clearing")
    await is_fit_for_people(page, "clearing-none")
    await page.goto(f"{url}/discrepancies")
    await is_fit_for_people(page, "discrepancies-none")
    await weeks(panel)
    await page.goto(f"{url}/clearing?until={DAY}")
    await is_fit_for_people(page, "clearing")
    for name, path in (
        ("clearing-day", f"{PROVIDER}/{DAY}"),
        ("clearing-day-doubted", f"tbank/{DAY - timedelta(days=3)}"),
        ("clearing-day-agrees", f"stripe/{DAY - timedelta(days=2)}"),
        ("clearing-day-without-run", f"stripe/{DAY - timedelta(days=5)}"),
    ):
        await page.goto(f"{url}/clearing/{path}")
        await is_fit_for_people(page, name)
    await page.goto(f"{url}/discrepancies")
    await is_fit_for_people(page, "discrepancies")
    for kind in (Kind.AMOUNT_DIFFERS, Kind.CURRENCY_DIFFERS, Kind.UNKNOWN_PAYMENT):
        await page.goto(f"{url}/discrepancies/{await panel.id_of(kind)}")
        await is_fit_for_people(page, f"discrepancy-{kind}")


async def test_the_pages_of_runs_and_of_the_books(browser: Browser, panel: ClearingPanel) -> None:
    page = await signed_in(browser, panel, "anna")
    url, doubted, today = panel.world.url, DAY - timedelta(days=3), SETTLEMENT.day_of(utc_now())
    await weeks(panel)
    for name, path in (
        ("clearing-run", f"{PROVIDER}/{DAY}/run"),
        ("clearing-run-refused", f"{PROVIDER}/{today}/run"),
        ("clearing-run-doubted", f"tbank/{doubted}/run"),
        ("clearing-believe", f"tbank/{doubted}/believe"),
        ("clearing-run-behind-others", f"tbank/{DAY - timedelta(days=2)}/run"),
    ):
        await page.goto(f"{url}/clearing/{path}")
        await is_fit_for_people(page, name)
    await books_begin(panel.stream.engine, DAY - timedelta(days=2))
    await page.goto(f"{url}/clearing/books")
    await page.get_by_text("cannot be closed", exact=True).wait_for()
    await is_fit_for_people(page, "books-not-ready")
    await panel.ask(f"/clearing/{PROVIDER}/{DAY}/run")
    await page.goto(f"{url}/clearing/{PROVIDER}/{DAY}")
    await is_fit_for_people(page, "clearing-day-asked-without-scheduler")
    await panel.looks()


async def test_a_run_is_asked_for_and_followed_by_keyboard(browser: Browser, panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    await panel.a_scheduler()
    page = await signed_in(browser, panel, "anna")
    await page.goto(f"{panel.world.url}/clearing/{PROVIDER}/{DAY}")
    await page.get_by_role("link", name="Run the day again").press("Enter")
    await page.get_by_label("Reason").fill("they have sent it again")
    await page.keyboard.press("Enter")
    await page.get_by_text("anna@cinema.example asked for the run").wait_for()
    await is_fit_for_people(page, "clearing-day-asked")
    await panel.looks()
    await page.get_by_text("anna@cinema.example asked for the run").wait_for(state="detached")
    assert await page.get_by_role("link", name="Run the day again").count() == 1


async def test_a_day_of_the_books_is_closed_by_keyboard(browser: Browser, panel: ClearingPanel) -> None:
    await books_begin(panel.stream.engine, DAY)
    await panel.a_cleared_day()
    await panel.a_scheduler()
    page = await signed_in(browser, panel, "anna")
    await page.goto(f"{panel.world.url}/clearing?until={DAY}")
    await page.get_by_role("link", name="The books are closed before").press("Enter")
    await page.get_by_text("can be closed").wait_for()
    await is_fit_for_people(page, "books-ready")
    await page.get_by_role("link", name="Close the day").press("Enter")
    await page.get_by_label("Reason").fill("the month ends")
    await is_fit_for_people(page, "books-close")
    await page.keyboard.press("Enter")
    await page.get_by_text("is being closed").wait_for()
    await is_fit_for_people(page, "books-asked")
    assert await panel.closes() == [DAY]
    await page.get_by_role("heading", name="Closed last").wait_for()
    assert await page.get_by_text("the month ends").count() == 1
    await is_fit_for_people(page, "books-closed")


async def test_a_discrepancy_is_claimed_and_decided_by_keyboard(browser: Browser, panel: ClearingPanel) -> None:
    await weeks(panel)
    page = await signed_in(browser, panel, "anna")
    await page.goto(f"{panel.world.url}/clearing?until={DAY}")
    await page.get_by_role("link", name=f"{PROVIDER}, 23 Nov 2026: disagrees").press("Enter")
    await page.get_by_role("link", name="Amount differs").first.press("Enter")
    await page.wait_for_url("**/discrepancies/*")
    id = UUID(page.url.rpartition("/")[2])
    claim = page.get_by_role("form", name="Claim")
    await claim.get_by_label("Reason").fill("I have their letter")
    await page.keyboard.press("Enter")
    await page.get_by_text("claimed").first.wait_for()
    assert await panel.state(id) == ("OPEN", 3)
    decide = page.get_by_role("form", name="Decide")
    await decide.get_by_role("radio", name="Corrected").press("Space")
    await decide.get_by_label("Reason").fill("4111 1111 1111 1111")
    await page.keyboard.press("Enter")
    await page.get_by_role("alert").wait_for()
    await is_fit_for_people(page, "discrepancy-wrong")
    await page.get_by_role("form", name="Decide").get_by_label("Reason").fill("our file was wrong")
    await page.keyboard.press("Enter")
    await page.get_by_text("our file was wrong").wait_for()
    assert await panel.state(id) == ("RESOLVED", 4)
    await is_fit_for_people(page, "discrepancy-decided")
