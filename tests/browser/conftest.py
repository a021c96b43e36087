"""A browser, and what is true of every page that people see."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from billing.access.roles import Role
from tests.unit.admin.conftest import EMAIL, PASSWORD, World

#: Where the pictures stay, to look at.
ARTIFACTS: Final = Path(__file__).parents[2] / "artifacts"
PHONE: Final = ViewportSize(width=390, height=844)
DESKTOP: Final = ViewportSize(width=1280, height=900)
#: Texts with less contrast than WCAG 2.2 AA asks for (1.4.3): text, ratio, and the ratio that its size needs.
_FAINT: Final = """() => {
  const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = color => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return context.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const under = element => {
    for (; element; element = element.parentElement) {
      const found = rgba(getComputedStyle(element).backgroundColor);
      if (found[3] === 255) return found;
    }
    return dark ? [18, 18, 18] : [255, 255, 255];
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
    if (!text || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const needed = size >= 24 || size >= 18.66 && style.fontWeight >= 700 ? 3 : 4.5;
    const [a, b] = [light(rgba(style.color)), light(under(element))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < needed) faint.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)} < ${needed}`);
  }
  return faint;
}"""
#: Texts that are cut off: their box hides what is wider than it, without a way to scroll.
_CUT: Final = """() => [...document.querySelectorAll('body *')]
  .filter(element => element.checkVisibility() && element.scrollWidth > element.clientWidth + 1
    && ['hidden', 'clip'].includes(getComputedStyle(element).overflowX))
  .map(element => element.outerHTML.slice(0, 80))"""


#: Every picture is there, and is the one of the scheme.
_DRAWN: Final = """scheme => [...document.images].every(image => image.complete && image.naturalWidth
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


async def is_fit_for_people(page: Page, name: str) -> None:
    """Assert that the page has a title and a heading, that nothing sticks out or is cut off, and that every text can be
    read; in both widths, light and dark. Leaves pictures."""
    (ARTIFACTS / "pages").mkdir(parents=True, exist_ok=True)
    assert await page.title()
    assert await page.locator("h1").count() == 1
    assert await page.locator("html").get_attribute("lang") == "en"
    for viewport in (PHONE, DESKTOP):
        await page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal in playwright
            await page.wait_for_function(_DRAWN, arg=scheme)
            width = viewport["width"]
            await page.screenshot(path=ARTIFACTS / "pages" / f"{name}-{width}-{scheme}.png", full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
            assert await page.evaluate(_CUT) == []
            assert await page.evaluate(_FAINT) == [], f"{width} {scheme}"
