"""The panel on the running stack: somebody on the staff gives money back, from the link to their account to the provider's
own record."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pyotp
from playwright.async_api import Browser, Page

from tests.browser.conftest import browser  # noqa: F401 - a fixture
from tests.conftest import Stack
from tests.e2e.test_subscriptions import cinema  # noqa: F401 - a fixture
from tests.support.cinema import Cinema
from tests.support.shop import a_shop


async def is_hired(page: Page, running: Stack) -> None:
    """Somebody of finance opens their link, chooses a password, and sets up an authenticator."""
    who = ("--name", "Ann", "--role", "finance", "--reason", "a test", "--actor", "tests", "--json")
    added = running.billing("staff", "add", f"ann-{uuid4().hex[:8]}@example.com", *who)
    assert added.returncode == 0, added.stderr
    await page.goto(json.loads(added.stdout)["url"])
    await page.get_by_label("Password", exact=True).fill("four words of a password")
    await page.get_by_label("Password again").fill("four words of a password")
    key = (await page.locator("code.key").inner_text()).replace(" ", "")
    await page.get_by_role("textbox", name="Code").fill(pyotp.TOTP(key).now())
    await page.get_by_role("button", name="Set and sign in").click()
    await page.wait_for_url(lambda url: "/welcome/" not in url)


async def test_a_refund_in_part_is_previewed_and_then_happens_so(
    running: Stack,
    stack: dict[str, Any],
    browser: Browser,  # noqa: F811
) -> None:
    page = await browser.new_page(base_url=stack["urls"]["admin"])
    async with a_shop(stack) as shop:
        await shop.sell(1)
        assert set(await shop.settled("CAPTURED")) == {"CAPTURED"}
        (id,) = shop.payments
        await is_hired(page, running)
        await page.goto("/payments")
        await page.get_by_role("searchbox").fill(id)
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name=id).click()
        await page.get_by_role("link", name="Refund", exact=True).click()
        await page.get_by_label("Amount").fill("1.25")
        await page.get_by_label("Reason").fill("the picture froze")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/refund/preview")
        said = await page.locator(".course").first.inner_text()
        await page.get_by_role("button", name="Refund 1.25").click()
        await page.wait_for_url("**/refund/confirm")
        assert await page.get_by_role("status").is_visible()
        async with asyncio.timeout(60):
            while [order["refunded"] for order in await shop.orders()] != [125]:
                await asyncio.sleep(0.5)
        async with asyncio.timeout(60):
            while "Refunded" not in (told := await (await page.goto(f"/payments/{id}")).text()):  # type: ignore[union-attr]
                await asyncio.sleep(0.5)
    assert "1.25" in said
    assert "the picture froze" in told
    assert "example.com" in told, "the name of who did it"
    verified = running.billing("verify", "--json")
    kinds = {one["kind"] for one in json.loads(verified.stdout)["violations"]}
    assert not kinds & {"untrailed_operation", "unapproved_operation", "trail_broken"}


async def test_a_subscription_is_cancelled_at_its_end_by_its_own_agent(
    running: Stack,
    stack: dict[str, Any],
    cinema: Cinema,  # noqa: F811
    browser: Browser,  # noqa: F811
) -> None:
    page = await browser.new_page(base_url=stack["urls"]["admin"])
    id = await cinema.subscribe("panel")
    await is_hired(page, running)
    await page.goto("/payments")
    await page.get_by_role("searchbox").fill(id)
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Subscription: Cinema").click()
    await page.get_by_role("link", name="Cancel at its end").click()
    await page.get_by_label("Reason").fill("asked by phone")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/cancel/preview")
    await page.get_by_role("button", name="Cancel at its end").click()
    await page.wait_for_url("**/cancel/confirm")
    assert "Carried out" in await page.get_by_role("status").inner_text(), "the agent has replied over Kafka"
    found = await cinema.get(f"/subscriptions/{id}")
    assert (found["status"], found["cancel_reason"]) == ("ACTIVE", "cancelled")
    told = json.loads(running.billing("subscriptions", "timeline", id, "--json").stdout)
    (said,) = [e for e in told["entries"] if e["kind"] == "command" and "cancel" in e["summary"]]
    assert said["data"]["message"]["comment"] == "asked by phone"
    assert said["actor"].startswith("operator:ann-")
    verified = running.billing("verify", "--json")
    kinds = {one["kind"] for one in json.loads(verified.stdout)["violations"]}
    assert not kinds & {"untrailed_operation", "unapproved_operation", "trail_broken"}
