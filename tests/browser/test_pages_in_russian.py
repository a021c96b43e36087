"""Pages in Russian, whose words are longer: in both widths and schemes, and the choice of another language."""

from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page

from admin.people import cookies
from billing.access.roles import Role
from billing.messages import ProviderResult, RefundPayment
from billing.vocabulary import Action, Outcome
from monitoring.books import Books, ConsumerLag
from runtime.kafka.lag import Lag
from storage.monitoring import Unfinished
from storage.staff.trail import Kind
from tests.browser.conftest import is_fit_for_people
from tests.browser.test_pages import admin  # noqa: F401 - a fixture
from tests.browser.test_payment_pages import panel  # noqa: F401 - likewise
from tests.integration.conftest import database, migrated  # noqa: F401 - likewise
from tests.support.factories import NOW as PAID_AT
from tests.support.panel import Panel
from tests.unit.admin.conftest import World, person_in
from tests.unit.monitoring.test_view import FINE, NOW

RUSSIAN: Final = "ru-RU"


async def opened(browser: Browser, url: str, token: str) -> Page:
    context = await browser.new_context(locale=RUSSIAN)
    await context.add_cookies([{"name": cookies.SESSION, "value": token, "url": url}])
    return await context.new_page()


@pytest.fixture
async def page(browser: Browser, admin: World) -> Page:  # noqa: F811 - the fixture that is imported
    return await opened(browser, admin.url, admin.accounts.open(Role.ADMIN))


async def test_pages_that_everybody_sees(browser: Browser, admin: World) -> None:  # noqa: F811
    page = await browser.new_page(locale=RUSSIAN)
    await page.goto(f"{admin.url}/sign-in")
    await page.get_by_role("heading", name="Войти").wait_for()
    await is_fit_for_people(page, "ru-sign-in", "ru")
    await page.goto(f"{admin.url}/welcome/good")
    await is_fit_for_people(page, "ru-welcome", "ru")


@pytest.mark.parametrize("name", ["staff", "reports", "reports/customer_cohorts", "reports/books_by_day", "keys/new"])
async def test_pages_of_an_administrator(page: Page, admin: World, name: str) -> None:  # noqa: F811
    await page.goto(f"{admin.url}/{name}")
    await is_fit_for_people(page, f"ru-{name.replace('/', '-')}", "ru")


async def test_the_trail(page: Page, admin: World) -> None:  # noqa: F811
    person = person_in(Role.FINANCE, "", PAID_AT)
    await admin.trail.note(
        person, Kind.REVEAL, "customer", "customer-1", reason="the customer called", fields=["email"]
    )
    await admin.trail.note(person, Kind.SIGN_IN_REFUSED, "staff", UUID(int=1))
    await page.goto(f"{admin.url}/trail")
    assert await page.get_by_text("показ контактов").is_visible()
    await is_fit_for_people(page, "ru-trail", "ru")


async def test_the_monitor_on_a_bad_night(page: Page, admin: World) -> None:  # noqa: F811
    old = Unfinished("tbank", "PENDING", 1, NOW - timedelta(hours=2), UUID(int=2))
    still = ConsumerLag("payments", "inbox", 3, 10, Lag(7, 90, 90), 0.0)
    admin.recent.books = Books(at=NOW, **FINE | {"unfinished": [old], "lags": [still]})
    await page.goto(f"{admin.url}/monitor")
    assert await page.get_by_text("2 ч 0 мин").first.is_visible()
    await is_fit_for_people(page, "ru-monitor", "ru")


async def test_another_language_and_zone_are_chosen_and_kept(page: Page, admin: World) -> None:  # noqa: F811
    await page.goto(f"{admin.url}/me")
    await is_fit_for_people(page, "ru-me", "ru")
    await page.get_by_label("Язык").select_option("en")
    await page.get_by_label("Часовой пояс").select_option("Asia/Vladivostok")
    await page.get_by_role("button", name="Сохранить").click()
    await page.get_by_role("heading", name="Language and time zone").wait_for()
    assert await page.locator("html").get_attribute("lang") == "en"
    assert await page.get_by_text("UTC+10:00").first.is_visible()


async def test_a_payment_and_a_refund_of_it(browser: Browser, panel: Panel) -> None:  # noqa: F811
    payment = await panel.a_paid(1_259_900, 129_700)
    agent = await panel.stream.agent()
    await panel.stream.deliver(
        agent,
        RefundPayment(payment.id, UUID(int=1), "film is broken", 10_000, operator="anna@cinema.example"),
        ProviderResult(payment.id, UUID(int=1), payment.provider, Action.REFUND, Outcome.SUCCEEDED, "re-1"),
        RefundPayment(payment.id, UUID(int=2), "asked", 5_000),
        ProviderResult(payment.id, UUID(int=2), payment.provider, Action.REFUND, Outcome.UNKNOWN, reason="timeout"),
    )
    panel.become("anna", Role.ADMIN)
    page = await opened(browser, panel.world.url, "session-of-anna")
    url = f"{panel.world.url}/payments"
    await page.goto(f"{url}?q=customer:{payment.order.customer_id}")
    await is_fit_for_people(page, "ru-payments", "ru")
    await page.goto(f"{url}/{payment.id}")
    assert await page.get_by_text("13\u202f896,00").first.is_visible()
    assert await page.get_by_text("возвращено частично").first.is_visible()
    await is_fit_for_people(page, "ru-payment", "ru")
    await page.goto(f"{url}/{payment.id}/refund")
    await is_fit_for_people(page, "ru-refund", "ru")
    await page.get_by_label("Сумма, RUB").fill("1 000,50")
    await page.get_by_label("Причина").fill("фильм не открылся")
    await page.get_by_role("button", name="Предпросмотр").click()
    await page.get_by_role("heading", name="Если провайдер согласится").wait_for()
    assert await page.get_by_role("button", name="Вернуть 1\u202f000,50 RUB").is_visible()
    await is_fit_for_people(page, "ru-preview", "ru")
    await page.goto(f"{url}/{payment.id}/refund")
    await page.get_by_label("Сумма, RUB").fill("1,000")
    await page.get_by_label("Причина").fill("проверка")
    await page.get_by_role("button", name="Предпросмотр").click()
    assert "Напишите сумму как 299,00" in await page.get_by_role("alert").inner_text()
