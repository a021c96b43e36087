"""A file of refunds in Chromium, from its upload to its result, by two people; the pages in both widths and schemes."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Browser

from admin.trail.trail import Trail
from tests.browser.conftest import is_fit_for_people
from tests.browser.test_payment_pages import signed_in
from tests.integration.conftest import database, migrated  # noqa: F401 - fixtures
from tests.support.bulk import Bulk, lines
from tests.support.panel import Panel
from tests.unit.admin.conftest import serving


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


async def test_a_file_with_bad_rows_is_checked_approved_run_paused_and_resumed(browser: Browser, bulk: Bulk) -> None:
    payments = await bulk.paid(60, price=129_900)
    (yen,) = await bulk.paid(1, price=1_900, currency="JPY")
    good = [f"{payment.id},{'' if n % 3 else '25.50'}," for n, payment in enumerate(payments)]
    bad = [f"{payments[0].id},1,", f"{uuid4()},1,", "not-an-id,299,", f"{uuid4()}", "x,,«Фильм» не показали"]
    content = lines(*good[:4], *bad, f"{yen.id},500,the picture froze", *good[4:])
    page = await signed_in(browser, bulk.panel, "anna")
    url = bulk.panel.world.url
    await page.goto(f"{url}/bulk")
    await is_fit_for_people(page, "bulk-none")

    wrong = {"name": "refunds.csv", "mimeType": "text/csv", "buffer": b"id;sum\n1;2\n"}
    await page.get_by_label("File (CSV)").set_input_files(wrong)  # type: ignore[arg-type]
    await page.get_by_label("Reason").fill("the cinema was closed on 21 November")
    await page.get_by_role("button", name="Upload and check").click()
    assert await page.get_by_role("alert").is_visible()
    assert await page.get_by_label("Reason").input_value() == "the cinema was closed on 21 November"
    file = {"name": "november-21.csv", "mimeType": "text/csv", "buffer": content.encode()}
    await page.get_by_label("File (CSV)").set_input_files(file)  # type: ignore[arg-type]
    await page.get_by_role("button", name="Upload and check").press("Enter")
    await page.wait_for_url("**/bulk/*-*")
    await is_fit_for_people(page, "bulk-checking")
    await bulk.checked()
    await page.get_by_role("link", name="Refresh").click()
    assert await page.get_by_text("Nothing was sent. This is what would happen").is_visible()
    assert await page.locator(".figures .main").inner_text() == "to be refunded\n61 rows\n500 JPY\n52\u202f470.00 RUB"
    await is_fit_for_people(page, "bulk-ready")
    await page.get_by_role("link", name="refused 5").click()
    assert await page.locator("table.rows tbody tr").count() == 5
    assert await page.get_by_text("“not-an-id” is not the id of a payment.").is_visible()
    await is_fit_for_people(page, "bulk-refused")
    await page.get_by_role("button", name="Ask for approval").click()
    assert await page.get_by_text("This is your own request").is_visible()
    assert await page.get_by_role("button", name="Approve").count() == 0

    second = await signed_in(browser, bulk.panel, "boris")
    await second.goto(f"{url}/approvals")
    await is_fit_for_people(second, "bulk-approvals")
    await second.get_by_role("link", name="Bulk refunds").nth(1).click()
    await second.wait_for_url("**/bulk/*-*")
    await is_fit_for_people(second, "bulk-approval")
    await second.get_by_role("button", name="Approve").click()
    assert await second.get_by_text("approved, not started").is_visible()

    await page.get_by_role("link", name="Refresh").click()
    await page.get_by_role("button", name="Start").click()
    await bulk.look(per_s=25)
    await bulk.deliver()
    await bulk.is_due()
    await bulk.look(per_s=10)
    await page.get_by_role("link", name="Refresh").click()
    assert await page.get_by_text("25 of 61 rows have ended, 10 are under way").is_visible()
    await is_fit_for_people(page, "bulk-running")
    await page.get_by_role("button", name="Pause").click()
    assert await page.get_by_text("No more rows are sent until it is resumed").is_visible()
    await bulk.carried_out(2)
    await page.get_by_role("link", name="Refresh").click()
    assert await page.get_by_text("35 of 61 rows have ended").is_visible()
    await is_fit_for_people(page, "bulk-paused")
    await page.get_by_role("button", name="Resume").click()
    await bulk.carried_out(2)
    await page.get_by_role("link", name="Refresh").click()
    assert await page.get_by_text("Every row has ended.").is_visible()
    await is_fit_for_people(page, "bulk-finished")
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Download the result").click()
    taken = await (await started.value).path()
    rows = list(csv.DictReader(io.StringIO(taken.read_text("utf-8-sig"))))
    assert [row["state"] for row in rows].count("refunded") == 61
    assert [row["state"] for row in rows].count("refused") == 5

    await page.goto(f"{url}/bulk")
    await page.get_by_label("File (CSV)").set_input_files(file)  # type: ignore[arg-type]
    await page.get_by_label("Reason").fill("again")
    await page.get_by_role("button", name="Upload and check").click()
    assert await page.get_by_text("this very file was uploaded before").is_visible()
    await is_fit_for_people(page, "bulk-list")
    refunded = [(await bulk.panel.payment(payment.id)).refunded for payment in payments]
    assert refunded == [129_900 if n % 3 else 2_550 for n in range(60)]
