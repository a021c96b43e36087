"""A second person approves the end of a subscription and a write-off, by keyboard, without a script; the pages are fit for
people in both widths and schemes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from admin.people import cookies
from billing.access.roles import Role
from billing.subscriptions.vocabulary import Status
from tests.browser.conftest import is_fit_for_people
from tests.integration.conftest import database, migrated  # noqa: F401 - fixtures
from tests.support.clearing_panel import ClearingPanel
from tests.support.panel import Panel
from tests.support.panel_subscriptions import SubscriptionPanel
from tests.unit.admin.conftest import World, serving


@pytest.fixture
async def admin(
    database: Any,  # noqa: F811 - the fixture that is imported
    stack: dict[str, Any],
) -> AsyncIterator[World]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    limits = {"admin_support_limit": {"RUB": 1_000}, "admin_approval_above": {"RUB": 30_000}}
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"], **limits) as world:
        yield world


async def signed_in(browser: Browser, panel: Panel, name: str, role: Role = Role.FINANCE) -> Page:
    panel.become(name, role)
    context = await browser.new_context(java_script_enabled=True)
    await context.add_cookies([{"name": cookies.SESSION, "value": f"session-of-{name}", "url": panel.world.url}])
    return await context.new_page()


async def found_by_the_second(browser: Browser, panel: Panel, what: str, name: str) -> Page:
    """Somebody else finds the request, and looks at it."""
    page = await signed_in(browser, panel, "boris")
    await page.goto(f"{panel.world.url}/approvals")
    await is_fit_for_people(page, f"approvals-{name}")
    await page.get_by_role("link", name=what, exact=True).press("Enter")
    await page.wait_for_url("**/approvals/*")
    await is_fit_for_people(page, f"approval-{name}")
    return page


async def test_a_subscription_is_ended_by_two_people(
    browser: Browser,
    admin: World,
    database: Any,  # noqa: F811 - the fixture that is imported
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panel = SubscriptionPanel(admin, database)
    admin.accounts.person = panel.person  # type: ignore[method-assign]
    monkeypatch.setattr("admin.subscriptions.pages.send_command", panel.send_subscription)
    monkeypatch.setattr("admin.approvals.subscriptions.send_command", panel.send_subscription)
    s = await panel.a_subscription()
    page = await signed_in(browser, panel, "sam", Role.SUPPORT)
    await page.goto(f"{admin.url}/subscriptions/{s.id}/end")
    await page.get_by_role("radio", name="all of the period").press("Space")
    await page.get_by_label("Reason").fill("the customer withdrew")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/end/preview")
    assert await page.get_by_text("A second person has to approve").is_visible()
    await is_fit_for_people(page, "subscription-above")
    await page.get_by_role("button", name="Ask for approval").press("Enter")
    await page.wait_for_url("**/end/confirm")
    await is_fit_for_people(page, "subscription-asked")
    assert panel.asked_of == []
    await page.goto(f"{admin.url}/subscriptions/{s.id}")
    assert await page.get_by_text("asked for by sam@cinema.example").is_visible()

    second = await found_by_the_second(browser, panel, "Cancel now", "subscription")
    await second.get_by_role("button", name="Approve and send").press("Enter")
    await second.wait_for_url("**/approve")
    assert await second.get_by_text("Carried out").is_visible()
    await is_fit_for_people(second, "subscription-sent")
    ((command, operator),) = panel.asked_of
    assert command.approval is not None
    assert (operator, command.approval.approved_by) == ("sam@cinema.example", "boris@cinema.example")
    assert (await panel.subscription(s.id)).status is Status.ENDED


async def test_a_discrepancy_is_written_off_by_two_people(
    browser: Browser,
    admin: World,
    database: Any,  # noqa: F811 - the fixture that is imported
) -> None:
    panel = ClearingPanel(admin, database)
    admin.accounts.person = panel.person  # type: ignore[method-assign]
    (id,) = await panel.found(theirs=123_456)
    page = await signed_in(browser, panel, "anna")
    await page.goto(f"{admin.url}/discrepancies/{id}")
    await is_fit_for_people(page, "discrepancy-above")
    decide = page.get_by_role("form", name="Decide")
    await decide.get_by_role("radio", name="Written off").press("Space")
    await decide.get_by_label("Reason").fill("nobody will pay")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/resolve")
    assert await page.get_by_text("Waits for a second person").is_visible()
    await is_fit_for_people(page, "write-off-asked")
    await page.get_by_role("link", name="To the request").press("Enter")
    await page.wait_for_url("**/approvals/*")
    assert await page.get_by_text("This is your own request").is_visible()
    assert await page.get_by_role("button", name="Approve").count() == 0
    assert await panel.state(id) == ("PERSON", 1)

    second = await found_by_the_second(browser, panel, "Write off", "write-off")
    assert await second.get_by_role("heading", name="Our books").is_visible()
    await second.get_by_role("button", name="Approve and write off").press("Enter")
    await second.get_by_text("Decided by").wait_for()
    await is_fit_for_people(second, "write-off-approved")
    assert await panel.state(id) == ("CLOSED", 2)
    await second.goto(f"{admin.url}/discrepancies/{id}")
    assert await second.get_by_text("(approved by boris@cinema.example)").is_visible()
