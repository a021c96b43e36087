"""A file of refunds in Chromium, from its upload to its result, by two people; the pages in both widths and schemes."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import uuid4

import pytest
from playwright.async_api import Browser, FilePayload, Page

from admin.trail.trail import Trail
from tests.browser.conftest import is_fit_for_people
from tests.browser.test_payment_pages import signed_in
from tests.integration.conftest import database, migrated  # noqa: F401 - fixtures
from tests.support.bulk import Bulk, lines
from tests.support.panel import Panel
from tests.unit.admin.conftest import serving

NAME: Final = "november-21.csv"
REASON: Final = "the cinema was closed on 21 November"


@pytest.fixture
async def bulk(
    database: Any,  # noqa: F811 - the fixture that is imported
    stack: dict[str, Any],
) -> AsyncIterator[Bulk]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = Panel(world, database)
        world.accounts.person = panel.person
        world.app.state.trail = Trail(database)
        bulk = Bulk(panel)
        await bulk.start()
        yield bulk


async def upload(page: Page, content: str | bytes, reason: str) -> None:
    """Choose a file and send the form."""
    buffer = content.encode() if isinstance(content, str) else content
    await page.get_by_label("File (CSV)").set_input_files(FilePayload(name=NAME, mimeType="text/csv", buffer=buffer))
    await page.get_by_label("Reason").fill(reason)
    await page.get_by_role("button", name="Upload and check").press("Enter")


async def refresh(page: Page) -> None:
    await page.get_by_role("link", name="Refresh").click()


async def is_approved(browser: Browser, bulk: Bulk) -> None:
    """Somebody else finds the request, and approves it."""
    page = await signed_in(browser, bulk.panel, "boris")
    await page.goto(f"{bulk.panel.world.url}/approvals")
    await is_fit_for_people(page, "bulk-approvals")
    await page.get_by_role("link", name="Bulk refunds").click()
    await page.wait_for_url("**/bulk/*-*")
    await is_fit_for_people(page, "bulk-approval")
    await page.get_by_role("button", name="Approve").click()
    assert await page.get_by_text("approved, not started").is_visible()


async def runs(page: Page, bulk: Bulk) -> None:
    """Start, pause, resume."""
    await refresh(page)
    await page.get_by_role("button", name="Start").click()
    await bulk.look(per_s=25)
    await bulk.deliver()
    await bulk.is_due()
    await bulk.look(per_s=10)
    await refresh(page)
    assert await page.get_by_text("25 of 61 rows have ended, 10 are under way").is_visible()
    await is_fit_for_people(page, "bulk-running")
    await page.get_by_role("button", name="Pause").click()
    assert await page.get_by_text("No more rows are sent until it is resumed").is_visible()
    await bulk.carried_out(2)
    await refresh(page)
    assert await page.get_by_text("35 of 61 rows have ended").is_visible()
    await is_fit_for_people(page, "bulk-paused")
    await page.get_by_role("button", name="Resume").click()
    await bulk.carried_out(2)
    await refresh(page)
    assert await page.get_by_text("Every row has ended.").is_visible()
    await is_fit_for_people(page, "bulk-finished")


async def test_a_file_with_bad_rows_is_checked_approved_run_paused_and_resumed(browser: Browser, bulk: Bulk) -> None:
    payments = await bulk.paid(60, price=129_900)
    (yen,) = await bulk.paid(1, price=1_900, currency="JPY")
    good = [f"{payment.id},{'' if n % 3 else '25.50'}," for n, payment in enumerate(payments)]
    bad = [f"{payments[0].id},1,", f"{uuid4()},1,", "not-an-id,299,", f"{uuid4()}", "x,,«Фильм» не показали"]
    content = lines(*good[:4], *bad, f"{yen.id},500,the picture froze", *good[4:])
    page = await signed_in(browser, bulk.panel, "anna")
    await page.goto(f"{bulk.panel.world.url}/bulk")
    await is_fit_for_people(page, "bulk-none")
    await upload(page, b"id;sum\n1;2\n", REASON)
    await page.get_by_role("alert").wait_for()
    assert await page.get_by_label("Reason").input_value() == REASON
    await upload(page, content, REASON)
    await page.wait_for_url("**/bulk/*-*")
    await is_fit_for_people(page, "bulk-checking")
    await bulk.checked()
    await refresh(page)
    assert await page.get_by_text("Nothing was sent. This is what would happen").is_visible()
    assert await page.locator(".figures .main").inner_text() == "to be refunded\n61 rows\n500 JPY\n52\u202f470.00 RUB"
    await is_fit_for_people(page, "bulk-ready")
    await page.get_by_role("link", name="refused 5").click()
    assert await page.locator("table.refunds tbody tr").count() == 5
    assert await page.get_by_text("“not-an-id” is not the id of a payment.").is_visible()
    await is_fit_for_people(page, "bulk-refused")
    await page.get_by_role("button", name="Ask for approval").click()
    assert await page.get_by_text("This is your own request").is_visible()
    assert await page.get_by_role("button", name="Approve").count() == 0
    await is_approved(browser, bulk)
    await runs(page, bulk)
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Download the result").click()
    taken = await (await started.value).path()
    states = [row["state"] for row in csv.DictReader(io.StringIO(taken.read_text("utf-8-sig")))]
    assert (states.count("refunded"), states.count("refused")) == (61, 5)
    refunded = [(await bulk.panel.payment(payment.id)).refunded for payment in payments]
    assert refunded == [129_900 if n % 3 else 2_550 for n in range(60)]

    await page.goto(f"{bulk.panel.world.url}/bulk")
    await upload(page, content, "again")
    await page.get_by_text("this very file was uploaded before").wait_for()
    await is_fit_for_people(page, "bulk-list")
