"""A file of 500 refunds, 20 of them bad, on the running stack: two people let it in Chromium, the process that sends it is
killed again and again, and the provider's own record has every refund once."""

import asyncio
from typing import Any, Final
from uuid import uuid4

import psutil
from playwright.async_api import Browser, FilePayload, Page

from tests.browser.conftest import browser  # noqa: F401 - a fixture
from tests.conftest import Stack
from tests.e2e.test_panel import is_hired
from tests.support.bulk import lines
from tests.support.shop import a_shop, audited

GOOD: Final = 480
PATIENCE_S: Final = 120


async def ended(page: Page) -> int:
    """How many rows have ended, by the page."""
    await page.get_by_role("link", name="Refresh").click()
    return int("".join(c for c in await page.locator(".progress strong").inner_text() if c.isdigit()))


async def has_ended(page: Page, rows: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await ended(page) < rows:
            await asyncio.sleep(0.5)


async def test_a_file_is_refunded_once_though_the_scheduler_is_killed(
    running: Stack,
    stack: dict[str, Any],
    browser: Browser,  # noqa: F811
) -> None:
    first = await browser.new_page(base_url=stack["urls"]["admin"])
    second = await browser.new_page(base_url=stack["urls"]["admin"])
    async with a_shop(stack) as shop:
        await shop.sell(GOOD)
        assert await shop.settled("CAPTURED") == {"CAPTURED": GOOD}
        good = [f"{id},1.25," for id in shop.payments]
        bad = [f"{uuid4()},1," for _ in range(8)] + [f"{id},1," for id in shop.payments[:8]] + ["x,1,"] * 4
        content = lines(*good[:250], *bad, *good[250:]).encode()

        await is_hired(first, running)
        await first.goto("/bulk")
        file = FilePayload(name="november.csv", mimeType="text/csv", buffer=content)
        await first.get_by_label("File (CSV)").set_input_files(file)
        await first.get_by_label("Reason").fill("the cinema was closed")
        await first.get_by_role("button", name="Upload and check").click()
        await first.wait_for_url("**/bulk/*-*")
        async with asyncio.timeout(PATIENCE_S):
            while await first.get_by_role("button", name="Ask for approval").count() == 0:
                await asyncio.sleep(0.5)
                await first.get_by_role("link", name="Refresh").click()
        assert await first.get_by_role("link", name=f"to be refunded {GOOD}").is_visible()
        await first.get_by_role("button", name="Ask for approval").click()

        await is_hired(second, running)
        await second.goto(first.url)
        await second.get_by_role("button", name="Approve").click()
        await second.get_by_role("button", name="Start").click()
        await has_ended(second, 40)
        for rows in (120, 240):
            psutil.Process(running.pid("scheduler")).kill()
            await asyncio.to_thread(running.up)
            await has_ended(second, rows)
        await second.get_by_role("button", name="Pause").click()
        psutil.Process(running.pid("scheduler")).kill()
        await asyncio.to_thread(running.up)
        assert await ended(second) < GOOD
        await first.get_by_role("link", name="Refresh").click()
        await first.get_by_role("button", name="Resume").click()
        await has_ended(first, GOOD)
        async with asyncio.timeout(PATIENCE_S):
            while await first.get_by_text("Every row has ended.").count() == 0:
                await asyncio.sleep(0.5)
                await first.get_by_role("link", name="Refresh").click()
        assert await first.get_by_role("link", name=f"refunded {GOOD}", exact=True).is_visible()
        orders = await shop.orders()
        assert [order["refunded"] for order in orders] == [125] * GOOD
        assert await shop.statuses() == {"PARTIALLY_REFUNDED": GOOD}
    assert audited(running) == []
