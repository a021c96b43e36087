"""The pages of payments in both widths and schemes, and a refund without a script, by keyboard alone."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from playwright.async_api import Browser, Page

from admin.people import cookies
from billing.access.roles import Role
from billing.messages import AmendPayment, ProviderResult, RefundPayment
from billing.vocabulary import Action, Outcome
from tests.browser.conftest import is_fit_for_people
from tests.integration.conftest import database, migrated  # noqa: F401 - fixtures
from tests.support.panel import Panel
from tests.unit.admin.conftest import serving


@pytest.fixture
async def panel(
    database: Any,  # noqa: F811 - the fixture that is imported
    stack: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Panel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = Panel(world, database)
        world.accounts.person = panel.person
        monkeypatch.setattr("admin.payments.pages.send_command", panel.send)
        monkeypatch.setattr("admin.approvals.payments.send_command", panel.send)
        yield panel


async def signed_in(browser: Browser, panel: Panel, name: str, role: Role = Role.FINANCE) -> Page:
    panel.become(name, role)
    context = await browser.new_context(java_script_enabled=True)
    await context.add_cookies([{"name": cookies.SESSION, "value": f"session-of-{name}", "url": panel.world.url}])
    return await context.new_page()


async def test_the_pages_of_payments(browser: Browser, panel: Panel) -> None:
    payment = await panel.a_paid(59_900, 129_700)
    other = await panel.a_paid(9_900)
    agent = await panel.stream.agent()
    refund = RefundPayment(payment.id, UUID(int=1), "film is broken", 10_000, operator="anna@cinema.example")
    declined = RefundPayment(payment.id, UUID(int=2), "asked", 5_000)
    await panel.stream.deliver(
        agent,
        refund,
        ProviderResult(payment.id, UUID(int=1), payment.provider, Action.REFUND, Outcome.SUCCEEDED, "re-1"),
        declined,
        ProviderResult(payment.id, UUID(int=2), payment.provider, Action.REFUND, Outcome.UNKNOWN, reason="timeout"),
        AmendPayment(
            payment.id, UUID(int=3), "anna@cinema.example", "note", note="Called on Friday.\nWill call again."
        ),
    )
    page = await signed_in(browser, panel, "anna", Role.ADMIN)
    url = panel.world.url
    await page.goto(f"{url}/payments")
    await is_fit_for_people(page, "payments")
    await page.goto(f"{url}/payments?q=nobody-knows-this")
    await is_fit_for_people(page, "payments-none")
    await page.goto(f"{url}/payments?q=anna@cinema.example")
    await page.goto(f"{url}/payments/{payment.id}")
    await is_fit_for_people(page, "payment")
    bars = page.locator(".waterfall svg.bar")
    assert await bars.count() >= 8
    for width in (390, 1280):
        await page.set_viewport_size({"width": width, "height": 900})
        sizes = [await bars.nth(place).bounding_box() for place in range(await bars.count())]
        assert all(size is not None and size["width"] > 250 and size["height"] > 5 for size in sizes), "bars are drawn"
    await page.goto(f"{url}/payments/{other.id}?at=2026-11-23T12:00:00")
    for action in ("refund", "correct", "amend", "note"):
        await page.goto(f"{url}/payments/{payment.id}/{action}")
        await is_fit_for_people(page, f"payment-{action}")


async def test_the_page_of_a_payment_follows_what_happens(browser: Browser, panel: Panel) -> None:
    payment = await panel.a_paid(59_900)
    agent = await panel.stream.agent()
    await panel.stream.deliver(agent, RefundPayment(payment.id, UUID(int=1), "film is broken", 10_000))
    page = await signed_in(browser, panel, "anna")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await page.goto(f"{panel.world.url}/payments/{payment.id}")
    async with page.expect_response("**/changes?since=*") as asked:
        pass
    assert (await asked.value).status == 204
    done = ProviderResult(payment.id, UUID(int=1), payment.provider, Action.REFUND, Outcome.SUCCEEDED, "re-1")
    await panel.stream.deliver(agent, done)
    await page.get_by_role("heading", name="Under way").wait_for(state="detached")
    assert await page.locator("script").count() == 0, "it follows no longer"
    assert complaints == []


async def test_a_refund_in_part_by_keyboard_and_a_second_person(browser: Browser, panel: Panel) -> None:
    payment = await panel.a_paid(59_900, 7_000_000)
    page = await signed_in(browser, panel, "anna")
    await page.goto(f"{panel.world.url}/payments")
    await page.locator("#q:focus").wait_for()  # a browser sets it after the page has loaded
    await page.keyboard.type(str(payment.order.id))
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name=str(payment.id)).press("Enter")
    await page.get_by_role("link", name="Refund", exact=True).press("Enter")
    await page.get_by_label("Film 1").fill("1")
    await page.get_by_label("Reason").fill("film is broken")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/refund/preview")
    await is_fit_for_people(page, "payment-preview")
    said = await page.locator(".course").first.inner_text()
    await page.get_by_role("button", name="Refund 599.00 RUB").press("Enter")
    await page.wait_for_url("**/refund/confirm")
    assert await page.get_by_role("status").is_visible()
    await is_fit_for_people(page, "payment-result")
    ((_, id, _),) = panel.sent
    done = ProviderResult(payment.id, id, payment.provider, Action.REFUND, Outcome.SUCCEEDED)
    await panel.stream.deliver(await panel.stream.agent(), done)
    after = await panel.payment(payment.id)
    assert (after.refunded, after.refundable) == (59_900, 7_000_000)
    assert "599.00" in said
    assert "film-1" in said

    await page.goto(f"{panel.world.url}/payments/{payment.id}/refund")
    await page.get_by_label("Reason").fill("the customer withdrew")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/refund/preview")
    assert await page.get_by_text("A second person has to approve").is_visible()
    await page.get_by_role("button", name="Ask for approval").press("Enter")
    await page.wait_for_url("**/refund/confirm")
    await is_fit_for_people(page, "payment-asked")
    second = await signed_in(browser, panel, "boris")
    await second.goto(f"{panel.world.url}/approvals")
    await is_fit_for_people(second, "approvals")
    await second.get_by_role("link", name="Refund", exact=True).click()
    await second.wait_for_url("**/approvals/*")
    await is_fit_for_people(second, "approval")
    await second.get_by_role("button", name="Approve and send").click()
    await second.wait_for_url("**/approve")
    assert await second.get_by_role("status").is_visible()
    command = panel.sent[-1][0]
    assert msgspec.to_builtins(command.approval)["approved_by"] == "boris@cinema.example"
    assert (await panel.payment(payment.id)).refund_pending == 7_000_000
