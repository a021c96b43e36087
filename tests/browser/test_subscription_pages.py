"""The pages of the reports on subscriptions, with two years of 150 subscribers."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page

from analytics.report import Result, find_report
from tests.browser.conftest import PHONE, is_fit_for_people, signed_in
from tests.support.subscription_figures import FIGURES
from tests.support.subscription_histories import Years
from tests.unit.admin.conftest import World, serving

#: Tables that a reader has to scroll sideways; cohorts may.
_WIDE: Final = """() => [...document.querySelectorAll('.scroll')]
  .filter(box => !box.querySelector('.heat') && box.scrollWidth > box.clientWidth)
  .map(box => box.innerText.slice(0, 80))"""
#: Whether the legend touches what is drawn.
_LEGEND_LIES_ON_IT: Final = """() => {
  const legend = document.querySelector('.role-legend').getBoundingClientRect();
  return [...document.querySelectorAll('.role-mark path, .role-axis-label text')].map(part => part.getBoundingClientRect())
    .some(part => part.width && part.bottom > legend.top && part.top < legend.bottom
      && part.right > legend.left && part.left < legend.right);
}"""
WITH_LEGEND: Final = (
    "churn_rate", "dunning_by_attempt", "mrr_movements", "renewals_by_day", "subscriptions_by_status",
)  # fmt: skip


def plain(value: Any) -> Any:
    """The number that an approximate figure is about."""
    return getattr(value, "expected", value)


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    years = Years()
    return {
        name: Result(find_report(name).columns, [tuple(map(plain, row)) for row in figures(years)])
        for name, figures in FIGURES.items()
    }


@pytest.fixture
async def admin(results: dict[str, Result]) -> AsyncIterator[World]:
    async with serving() as world:
        world.store.results |= results
        yield world


@pytest.fixture
async def page(browser: Browser, admin: World) -> AsyncIterator[Page]:
    """Signed in; nothing is said on the console."""
    page = await browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    await signed_in(page, admin)
    await page.get_by_role("heading", name="Reports", exact=True).wait_for()
    yield page
    assert said == [], "the browser complains of nothing"


@pytest.mark.parametrize("name", FIGURES)
async def test_a_report_on_subscriptions_is_fit_for_people(page: Page, admin: World, name: str) -> None:
    await page.goto(f"{admin.url}/reports/{name}")
    await is_fit_for_people(page, f"report-{name}")
    await page.set_viewport_size(PHONE)
    assert await page.evaluate(_WIDE) == []
    assert await page.get_by_role("table").last.get_by_role("cell").count()
    if name != "retention_cohorts":
        await page.wait_for_function("() => document.images[0].currentSrc.includes('size=phone')")


@pytest.mark.parametrize("name", FIGURES)
async def test_a_report_on_subscriptions_without_rows_says_so(page: Page, admin: World, name: str) -> None:
    admin.store.results[name] = Result(find_report(name).columns, [])
    await page.goto(f"{admin.url}/reports/{name}")
    assert await page.get_by_text("No rows for these days").is_visible()
    await is_fit_for_people(page, f"report-{name}-none")


@pytest.mark.parametrize("name", WITH_LEGEND)
@pytest.mark.parametrize("size", ["page", "phone"])
async def test_the_legend_lies_beside_the_chart(page: Page, admin: World, name: str, size: str) -> None:
    await page.goto(f"{admin.url}/reports/{name}.svg?currency=RUB&size={size}")
    assert await page.evaluate(_LEGEND_LIES_ON_IT) is False


async def test_a_wide_row_is_a_card_on_a_phone_with_its_headings(page: Page, admin: World) -> None:
    await page.set_viewport_size(PHONE)
    await page.goto(f"{admin.url}/reports/dunning_recovery?currency=RUB")
    cell = page.locator("td[data-heading='recovered, %']").first
    assert await cell.is_visible()
    assert await cell.evaluate("e => getComputedStyle(e, '::before').content") == '"recovered, %"'
    box = await cell.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= PHONE["width"]


async def test_cohorts_darken_with_their_share(page: Page, admin: World) -> None:
    await page.goto(f"{admin.url}/reports/retention_cohorts?currency=RUB")
    await page.emulate_media(color_scheme="light")
    grounds = await page.evaluate(
        """() => [10, 5, 1].map(level => document.querySelector('.heat-' + level))
          .map(cell => getComputedStyle(cell).backgroundColor.match(/[\\d.]+/g).slice(-3).reduce((a, b) => a + +b, 0))"""
    )
    assert grounds == sorted(grounds)
    assert len(set(grounds)) == 3
