"""The reports' pages in a real browser, on the running stack, with what was sold there."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pyotp
import pytest
from playwright.async_api import Browser, BrowserContext, Page

from tests.conftest import Stack
from tests.support.shop import a_shop, audited

#: Where the pictures stay, to look at.
ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "reports"
SALES = 6
PASSWORD = "four words of a password"
#: New ones in each session: the stack may have been there before.
FINANCE, VIEWER = (f"{role}-{uuid4().hex[:8]}@cinema.example" for role in ("finance", "viewer"))
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 375, "height": 740}, "is_mobile": True},
}


@pytest.fixture
async def sold(stack: dict[str, Any], running: Stack) -> int:
    """Something was sold, and ClickHouse has it; what came in altogether, minor units."""
    async with a_shop(stack) as shop:
        await shop.sell(SALES)
        assert (await shop.settled("CAPTURED"))["CAPTURED"] == SALES
    assert audited(running) == [], "ClickHouse has what the books have"
    headers = {"Authorization": f"Bearer {stack['api_key']}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as http:
        answer = await http.get(f"{stack['urls']['admin']}/v1/analytics/books_by_day")
        rows = (await answer.json())["rows"]
    return sum(row["gross"] for row in rows if row["currency"] == "RUB")


@pytest.fixture(scope="session")
def welcome(running: Stack) -> str:
    """The link of somebody new, as an operator gets it."""
    added = running.billing(
        "staff",
        "add",
        FINANCE,
        "--name",
        "Fin",
        "--role",
        "finance",
        "--reason",
        "test",
        "--actor",
        "me",
    )
    assert added.returncode == 0, added.stdout + added.stderr
    return added.stdout.strip()


@pytest.fixture(scope="session")
def viewer(running: Stack) -> str:
    """Somebody who may look at reports; they have no password yet."""
    email = VIEWER
    added = running.billing(
        "staff", "add", email, "--name", "Vi", "--role", "viewer", "--reason", "test", "--actor", "me"
    )
    assert added.returncode == 0, added.stdout + added.stderr
    return email


@pytest.fixture
def link(running: Stack, viewer: str) -> str:
    """A link for the viewer."""
    made = running.billing("staff", "link", viewer, "--reason", "test", "--actor", "me")
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout.strip()


async def signed_in(page: Page, stack: dict[str, Any], link: str) -> None:
    await page.goto(stack["urls"]["admin"])
    assert "/sign-in" in page.url
    assert link.startswith(stack["urls"]["admin"])
    await page.goto(link)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Password again").fill(PASSWORD)
    await page.get_by_role("button", name="Set and sign in").click()
    await page.get_by_role("link", name="Reports", exact=True).click()
    await page.get_by_role("heading", name="Reports", exact=True).wait_for()


async def test_somebody_new_signs_in_with_a_second_factor(
    browser: Browser, stack: dict[str, Any], welcome: str
) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(welcome)
    authenticator = pyotp.TOTP((await page.locator(".key").inner_text()).replace(" ", ""))
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Password again").fill(PASSWORD)
    used = authenticator.now()
    await page.get_by_label("Code", exact=True).fill(used)
    await page.get_by_role("button", name="Set and sign in").click()
    await page.get_by_role("link", name="Reports", exact=True).click()
    await page.get_by_role("heading", name="Reports", exact=True).wait_for()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("E-mail address").fill(FINANCE)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Code").fill(used)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("alert").wait_for()
    await page.get_by_label("E-mail address").fill(FINANCE)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Code").fill(authenticator.at(datetime.now(UTC) + timedelta(seconds=30)))
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Reports", exact=True).wait_for()
    await page.get_by_role("link", name="Fin").click()
    await page.get_by_role("heading", name="Sessions").wait_for()
    await context.close()


async def drawn(page: Page) -> list[int]:
    """The widths of the page's pictures, once all are there."""
    await page.wait_for_load_state("networkidle")
    widths = await page.evaluate("Array.from(document.images, image => image.complete ? image.naturalWidth : 0)")
    assert isinstance(widths, list)
    return widths


async def kept(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    picture = ARTIFACTS / f"{name}.png"
    await page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize("screen", SCREENS)
async def test_a_finance_person_sees_what_was_sold(
    browser: Browser, stack: dict[str, Any], sold: int, link: str, screen: str
) -> None:
    context: BrowserContext = await browser.new_context(**SCREENS[screen])
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    await signed_in(page, stack, link)
    assert len(widths := await drawn(page)) == 4
    assert all(widths), "every chart is drawn"
    gross = await page.locator("#gross").inner_text()
    digits = int("".join(filter(str.isdigit, gross)))
    assert digits == sold, "kopecks and all"
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= SCREENS[screen]["viewport"]["width"], "nothing sticks out"
    await kept(page, f"overview-{screen}")
    await page.get_by_role("link", name="revenue by provider").click()
    await page.get_by_role("table").wait_for()
    assert all(await drawn(page))
    assert await page.get_by_role("cell", name="yandex-pay").count() >= 1
    await kept(page, f"revenue-by-provider-{screen}")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="CSV").click()
    file = await (await download.value).path()
    text = await asyncio.to_thread(Path(file).read_text)
    assert text.startswith("day,currency,provider,payments,gross,refunds,net\n")
    assert said == [], "the browser complains of nothing"
    await context.close()


async def test_a_period_without_sales_says_so(browser: Browser, stack: dict[str, Any], link: str) -> None:
    page = await browser.new_page()
    await signed_in(page, stack, link)
    await page.get_by_label("from").fill("2020-01-01")
    await page.get_by_label("to").fill("2020-01-31")
    await page.get_by_role("button", name="Show").click()
    await page.wait_for_url("**/reports?from=2020-01-01*")
    assert (await page.locator("#gross").inner_text()).startswith("0")
    await page.goto(f"{stack['urls']['admin']}/reports/revenue_by_provider?from=2020-01-01&to=2020-01-31")
    assert "No rows for these days" in await page.inner_text("main")


async def test_every_report_opens(browser: Browser, stack: dict[str, Any], sold: int, link: str) -> None:
    page = await browser.new_page()
    await signed_in(page, stack, link)
    hrefs = await page.locator(".reports a").evaluate_all("links => links.map(link => link.href)")
    assert len(hrefs) >= 15
    async with asyncio.timeout(120):
        for href in hrefs:
            answer = await page.goto(href)
            assert answer is not None
            assert answer.status == 200, href
            assert all(await drawn(page)), href
