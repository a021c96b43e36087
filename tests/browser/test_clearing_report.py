"""The report of a day, as finance opens it: a file."""

from pathlib import Path

from playwright.async_api import Browser

from backoffice.clearing.report import as_html
from backoffice.clearing.report.page import ROWS
from tests.browser.conftest import is_fit_for_people
from tests.support.clearing_report import a_full_report


async def test_the_report_of_a_day_is_one_file_for_every_screen(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(as_html(a_full_report()))
    page = await browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(file.as_uri())
    await is_fit_for_people(page, "clearing-report")
    assert asked == [file.as_uri()], "it needs nothing else"
    assert await page.locator("#discrepancies tbody tr").count() == ROWS
    await page.get_by_role("link", name="Stuck").click()
    assert await page.locator("#stuck").evaluate("e => e.getBoundingClientRect().top < innerHeight")
    assert await page.get_by_text("<script>alert(1)</script>").is_visible()
