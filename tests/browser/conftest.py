"""A browser, and what is true of every page that people see."""

import os
import shutil
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from billing.access.roles import Role
from tests.unit.admin.conftest import EMAIL, PASSWORD, World

#: Where the pictures stay, to look at.
ARTIFACTS: Final = Path(__file__).parents[2] / "artifacts"
PHONE: Final = ViewportSize(width=390, height=844)
DESKTOP: Final = ViewportSize(width=1280, height=900)
#: Texts that are cut off: their box hides what is wider than it, without a way to scroll.
_CUT: Final = """() => [...document.querySelectorAll('body *')]
  .filter(element => element.checkVisibility() && element.scrollWidth > element.clientWidth + 1
    && ['hidden', 'clip'].includes(getComputedStyle(element).overflowX))
  .map(element => element.outerHTML.slice(0, 80))"""


#: Every picture is there, and is the one of the scheme.
_DRAWN: Final = """scheme => [...document.querySelectorAll('img[src]')].every(image => image.complete && image.naturalWidth
  && (!image.closest('picture') || image.currentSrc.includes('theme=dark') === (scheme === 'dark')))"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = os.environ.get("BILLING_TEST_CHROMIUM") or shutil.which("chromium")
    assert chromium is not None, "`make chromium` installs the browser"
    async with async_playwright() as playwright:
        # Root cannot use the sandbox of its namespaces; nothing but our own pages is opened.
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def signed_in(page: Page, admin: World, *, role: Role = Role.FINANCE, password: str = PASSWORD) -> None:
    """Sign in with the form, as somebody in this role."""
    admin.accounts.role = role
    await page.goto(f"{admin.url}/sign-in?next=/reports")
    await page.get_by_label("E-mail address").fill(EMAIL)
    await page.get_by_label("Password").fill(password)
    await page.get_by_label("Code").fill("123 456")
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_load_state()


async def looks(page: Page, name: str) -> AsyncIterator[str]:
    """The page in both widths, light and dark, once its pictures are drawn; nothing sticks out. Leaves pictures."""
    (ARTIFACTS / "pages").mkdir(parents=True, exist_ok=True)
    for viewport in (PHONE, DESKTOP):
        await page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal in playwright
            await page.wait_for_function(_DRAWN, arg=scheme)
            look = f"{viewport['width']}-{scheme}"
            await page.screenshot(path=ARTIFACTS / "pages" / f"{name}-{look}.png", full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], (
                "nothing sticks out"
            )
            yield look


async def is_fit_for_people(page: Page, name: str, language: str = "en") -> None:
    """Assert that the page has a heading and says its language, that nothing is cut off, and that axe-core finds no barrier, in all looks."""
    assert await page.locator("h1").count() == 1
    assert await page.locator("html").get_attribute("lang") == language
    async for look in looks(page, name):
        assert await page.evaluate(_CUT) == []
        assert await barriers(page) == [], look


async def barriers(page: Page, known: Collection[str] = ()) -> list[str]:
    """What axe-core finds on the page that keeps somebody from using it: the rule, the element, and what to do. Rules
    that are ``known`` are left out."""
    found = [rule for rule in (await Axe().run(page)).response["violations"] if rule["id"] not in known]
    return [f"{rule['id']}: {node['html'][:120]} {node['failureSummary']}" for rule in found for node in rule["nodes"]]
