"""Pages for people, each with made-up content: the API's own, the sandbox's, and those of the reports on payments."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page

from analytics.report import Result, read_reports
from billing.access.roles import Role
from ingest_api.problems import Problem
from storage.staff.trail import Kind
from tests.browser.conftest import barriers, is_fit_for_people, looks, signed_in
from tests.support.factories import NOW
from tests.support.ingest_server import Served
from tests.support.ingest_server import serving as serving_api
from tests.support.named_providers import StripeWorld, TBankWorld
from tests.support.sandbox import ProviderWorld, running
from tests.support.yookassa import YooKassaWorld
from tests.unit.admin.conftest import World, person_in
from tests.unit.admin.conftest import serving as serving_admin

WORLDS: Final = {
    "yandex-pay": ProviderWorld,
    "yookassa": YooKassaWorld,
    "stripe": StripeWorld,
    "tbank": TBankWorld,
}


@pytest.fixture
async def page(browser: Browser) -> Page:
    return await browser.new_page()


@pytest.fixture
async def api() -> AsyncIterator[Served]:
    async with serving_api() as world:
        yield world


@pytest.mark.parametrize("path", ["problems", f"problems/{Problem.CART_TOTAL_MISMATCH.code}"])
async def test_the_pages_of_the_api(page: Page, api: Served, path: str) -> None:
    await page.goto(f"{api.url}/{path}")
    await is_fit_for_people(page, path.replace("/", "-"))


#: What elements of Scalar lack, among them the names of its buttons to copy.
OF_SCALAR: Final = frozenset(
    {
        "aria-allowed-attr", "aria-allowed-role", "aria-required-children", "button-name", "landmark-unique",
        "scrollable-region-focusable",
    }
)  # fmt: skip


async def test_the_reference_of_the_api_is_drawn_from_our_own_files(page: Page, api: Served) -> None:
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await page.goto(f"{api.url}/docs")
    await page.get_by_role("heading", name="Open a payment").wait_for(state="attached")
    async for look in looks(page, "docs"):
        assert await barriers(page, OF_SCALAR) == [], look
    await page.get_by_text("Refund a captured payment").first.click()
    await page.get_by_role("heading", name="Refund a captured payment").wait_for()
    assert "refund" in page.url
    assert complaints == [], "the content policy allows what the page needs"
    assert {url for url in asked if not url.startswith((api.url, "data:"))} == set()


@pytest.mark.parametrize("provider", WORLDS)
async def test_the_payment_page_and_the_page_after_it(page: Page, tmp_path: Path, provider: str) -> None:
    async with running(WORLDS[provider](tmp_path)) as world:
        request = await world.open(59_900, 129_700)
        await page.goto(f"{world.url}/pay/{request.order_ref}")
        await is_fit_for_people(page, f"pay-{provider}")
        await page.get_by_role("button", name="Pay 1896.00").click()
        await page.wait_for_url("**/back")
        await is_fit_for_people(page, f"back-{provider}")
        await page.goto(f"{world.url}/pay/{request.order_ref}")
        await is_fit_for_people(page, f"paid-{provider}")


async def test_the_sandbox_s_list_of_orders_and_an_order_that_is_not_there(page: Page, tmp_path: Path) -> None:
    async with running(StripeWorld(tmp_path)) as world:
        await page.goto(world.url)
        await is_fit_for_people(page, "orders-none")
        paid = await world.open(59_900)
        await world.customer(paid, "pay")
        await world.customer(await world.open(100_000_000_00), "decline")
        await world.open(1)
        await page.goto(world.url)
        assert await page.get_by_text("CAPTURED").is_visible()
        await is_fit_for_people(page, "orders")
        await page.goto(f"{world.url}/pay/none")
        await is_fit_for_people(page, "orders-missing")


def made_up(name: str) -> Result:
    """A result with the columns of the report's example, some of them long."""
    example, *rows = read_reports()[name].example.splitlines()
    columns = tuple(example.split())
    start = datetime.now(UTC).date() - timedelta(days=6)

    def value(column: str, at: int) -> object:
        if column in ("day", "cohort", "oldest", "month"):
            return start + timedelta(days=at % 7)
        if column == "hour":
            return datetime(2026, 11, 23, at % 24, tzinfo=UTC)
        if column == "currency":
            return "RUB"
        if column == "provider":
            return list(WORLDS)[at % 4]
        shown = rows[at % len(rows)].split() if rows else []
        if len(shown) != len(columns):  # a text of several words
            shown = ["a rather long text of somebody", *["100"] * (len(columns) - 1)]
        sample = shown[columns.index(column)]
        number = sample.replace(".", "", 1).lstrip("-")
        return (float(sample) if "." in sample else int(sample)) + at if number.isdigit() else sample

    return Result(columns, [tuple(value(column, at) for column in columns) for at in range(14)])


@pytest.fixture
async def admin() -> AsyncIterator[World]:
    async with serving_admin() as world:
        world.store.results |= {name: made_up(name) for name in read_reports()}
        world.store.results["unfinished_by_age"] = Result(
            ("provider", "status", "currency", "payments", "amount", "oldest"),
            [("yandex-pay", "PENDING", "RUB", 3, 179_700, date(2026, 11, 20))],
        )
        yield world


async def test_the_page_to_sign_in_also_after_a_wrong_password(page: Page, admin: World) -> None:
    await page.goto(admin.url)
    await is_fit_for_people(page, "sign-in")
    await signed_in(page, admin, password="a wrong password")
    await page.get_by_role("alert").wait_for()
    await is_fit_for_people(page, "sign-in-wrong")
    await page.locator(":focus").wait_for()
    await page.keyboard.press("Tab")
    assert await page.get_by_label("Password").evaluate("e => e === document.activeElement"), "by keyboard alone"


async def test_the_pages_of_people_and_of_the_trail(page: Page, admin: World) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    await page.goto(f"{admin.url}/welcome/good")
    await is_fit_for_people(page, "welcome")
    await signed_in(page, admin, role=Role.ADMIN)
    await page.get_by_role("heading", name="Reports", exact=True).wait_for()
    person = person_in(Role.FINANCE, "", NOW)
    for number in range(12):
        await admin.trail.note(person, Kind.VIEW, "payment", UUID(int=number))
    await admin.trail.note(
        person, Kind.REVEAL, "customer", "customer-1", reason="the customer called", fields=["email"]
    )
    await admin.trail.note(person, Kind.REFUSED, "route", "GET /staff", permission="staff")
    for name in ("me", "staff", "trail"):
        await page.goto(f"{admin.url}/{name}")
        await is_fit_for_people(page, name)
    places = await page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()
    assert {"Reports", "Trail", "Staff"} <= set(places)
    await page.goto(f"{admin.url}/confirm?next=/staff")
    await is_fit_for_people(page, "confirm")
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("heading", name="Sign in").wait_for()
    assert said == [], "the browser complains of nothing"
    await page.goto(f"{admin.url}/welcome/used")
    await is_fit_for_people(page, "link-over")


async def test_a_page_that_a_role_may_not_see_says_so(page: Page, admin: World) -> None:
    await signed_in(page, admin, role=Role.SUPPORT)
    await page.goto(f"{admin.url}/reports")
    assert await page.get_by_text("A support may not").is_visible()
    places = await page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()
    assert {"Reports", "Trail", "Staff"}.isdisjoint(places)
    await is_fit_for_people(page, "not-permitted")


async def test_the_pages_of_the_reports(page: Page, admin: World) -> None:
    await signed_in(page, admin)
    await page.get_by_role("heading", name="Reports", exact=True).wait_for()
    await is_fit_for_people(page, "reports")
    for name in (
        "books_by_day",
        "customer_cohorts",
        "refund_ratio",
        "decline_reasons",
        "funnel",
        "slowest_steps",
        "nothing",
    ):
        await page.goto(f"{admin.url}/reports/{name}")
        await is_fit_for_people(page, f"report-{name}")
