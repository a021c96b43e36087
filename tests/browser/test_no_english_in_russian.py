"""A walk through the panel in Russian: no English is left on its pages, and they fit both widths."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page

from admin.language import Reader, tongue, writing_for
from admin.retelling import retold
from analytics import words
from analytics.report import find_report
from backoffice.clearing.report import as_html
from backoffice.dead_letters import resolution as dead_letters
from backoffice.dead_letters.resolution import DeadLetter
from billing.access.roles import Role
from billing.messages import AmendPayment, CapturePayment, ProviderResult, RefundPayment
from billing.vocabulary import Action, Outcome
from runtime.clock import utc_now
from tests.browser.conftest import is_fit_for_people
from tests.browser.test_clearing_pages import panel as clearing  # noqa: F401 - a fixture
from tests.browser.test_clearing_pages import weeks
from tests.browser.test_customer_pages import CUSTOMER, a_customer
from tests.browser.test_customer_pages import panel as subscriptions  # noqa: F401 - likewise
from tests.browser.test_operations_pages import letter
from tests.browser.test_pages import admin  # noqa: F401 - likewise
from tests.browser.test_pages_in_russian import opened
from tests.browser.test_payment_pages import panel as payments  # noqa: F401 - likewise
from tests.integration.conftest import database, migrated  # noqa: F401 - likewise
from tests.support.clearing import DAY, SETTLEMENT
from tests.support.clearing_panel import ClearingPanel
from tests.support.clearing_report import a_full_report
from tests.support.factories import PROVIDER
from tests.support.panel import Panel
from tests.support.panel_subscriptions import SubscriptionPanel
from tests.unit.admin.conftest import World
from tests.unit.admin.test_pages_in_languages import example_of

#: The texts that people see, without codes and data in the form of programs.
_TEXTS: Final = """() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!parent.closest('code, pre, script, style, [lang]:not(html), .hint > code') && walker.currentNode.data.trim())
      found.push(walker.currentNode.data.trim());
  }
  return found;
}"""
#: Names, ids, currencies, zones, accounts of the ledger, and words that Russian has in Latin letters.
_DATA: Final = re.compile(
    r"(auth|notify)\.\w+|/test|[\w•.+-]+@[\w•.-]+|\b(Ann|anna|adam|fin|Bob|Eve|Kim|site|shop|Film|revenue|BILLING_API_KEYS)\b|[\w.+-]+@[\w.-]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w.-]+:[\w.:-]+|\b(RUB|USD|KWD|JPY|UTC|MSK|CSV|SQL|JSON|API|"
    r"HTTP|ARR|MRR|ARPU|LTV|D Secure|[Ii]d|UTF|OIDC|Cinema|Stalker|Postgres|ClickHouse|Kafka|AsyncAPI)\b|stripe|tbank|yookassa|yandex-pay|"
    r"fake-pay|https?://\S+|[\w-]*\d[\w-]*"
)
_LATIN: Final = re.compile(r"[A-Za-z]{3,}")


async def english(page: Page, *data: str) -> list[str]:
    """Texts of the page with words in Latin letters; ``data``: what the test itself has made."""
    texts: list[str] = await page.evaluate(_TEXTS)
    known = re.compile("|".join(map(re.escape, data)) or r"(?!)")
    return [text for text in texts if _LATIN.search(known.sub("", _DATA.sub("", text)))]


def _some(left: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(path, text) for path, texts in left.items() for text in texts]


async def test_payments(browser: Browser, payments: Panel) -> None:  # noqa: F811 - the fixture that is imported
    payment = await payments.a_paid(1_259_900, 129_700)
    await payments.stream.deliver(
        await payments.stream.agent(),
        RefundPayment(payment.id, UUID(int=1), "film is broken", 10_000, operator="anna@cinema.example"),
        ProviderResult(
            payment.id, UUID(int=1), payment.provider, Action.REFUND, Outcome.DECLINED, reason="merchant_balance"
        ),
        RefundPayment(payment.id, UUID(int=2), "asked", 5_000),
        ProviderResult(payment.id, UUID(int=2), payment.provider, Action.REFUND, Outcome.UNKNOWN, reason="timeout"),
        RefundPayment(payment.id, UUID(int=3), "too much", 10**9),
        CapturePayment(payment.id, UUID(int=4)),
        AmendPayment(payment.id, UUID(int=5), "anna@cinema.example", "note", note="called"),
    )
    payments.become("anna", Role.ADMIN)
    page = await opened(browser, payments.world.url, "session-of-anna")
    left = {}
    for path in (f"/payments?q=customer:{payment.order.customer_id}", f"/payments/{payment.id}", "/approvals", "/bulk"):
        await page.goto(payments.world.url + path)
        mine = ("film is broken", "asked", "too much", "called", "note", payment.order.customer_id, payment.client_id)
        left[path] = await english(page, *mine, *(item.title for item in payment.order.cart.items))
    assert _some(left) == []
    await page.goto(f"{payments.world.url}/payments/{payment.id}")
    timeline = await page.locator(".timeline").inner_text()
    assert "в ожидании" in timeline
    assert "недостаточно" not in timeline
    assert "мало денег у провайдера" in timeline  # noqa: RUF001 - Russian
    assert "10\u202f000\u202f000,00 RUB нельзя вернуть: осталось" in timeline
    await is_fit_for_people(page, "ru-payment-timeline", "ru")


async def test_a_subscription_and_its_customer(
    browser: Browser,
    subscriptions: SubscriptionPanel,  # noqa: F811 - the fixture that is imported
) -> None:
    id = await a_customer(subscriptions)
    await subscriptions.declined(id)
    subscriptions.become("adam", Role.ADMIN)
    page = await opened(browser, subscriptions.world.url, "session-of-adam")
    mine = (CUSTOMER, "Mir", "Visa", "campaign", "spring", "site", "adam", "cinema", "premium", "Europe/Moscow")
    left = {}
    for path in (f"/customers/{CUSTOMER}", f"/subscriptions/{id}", f"/subscriptions/{id}/end", "/keys", "/staff"):
        await page.goto(subscriptions.world.url + path)
        left[path] = await english(page, *mine)
    assert _some(left) == []
    await page.goto(f"{subscriptions.world.url}/subscriptions/{id}")
    await is_fit_for_people(page, "ru-subscription-timeline", "ru")


async def test_clearing(browser: Browser, clearing: ClearingPanel) -> None:  # noqa: F811 - the fixture that is imported
    await weeks(clearing)
    clearing.become("fin", Role.ADMIN)
    page = await opened(browser, clearing.world.url, "session-of-fin")
    left = {}
    await clearing.ask(f"/clearing/{PROVIDER}/{DAY}/run")
    paths = ("/clearing", f"/clearing?until={DAY}", f"/clearing/{PROVIDER}/{DAY}", "/discrepancies")
    doubted, today = f"/clearing/tbank/{DAY - timedelta(days=3)}", SETTLEMENT.day_of(utc_now())
    asked = (
        f"/clearing/{PROVIDER}/{DAY}/run",
        f"{doubted}/run",
        f"{doubted}/believe",
        f"/clearing/{PROVIDER}/{today}/run",
    )
    for path in (*paths, *asked, "/clearing/books"):
        await page.goto(clearing.world.url + path)
        left[path] = await english(
            page,
            PROVIDER,
            "half of the lines are of nobody",
            "not ready",
            "they have sent it again",
            "suspense",
            "Europe/Moscow",
        )
    assert _some(left) == []
    answer = await page.goto(f"{clearing.world.url}/clearing/{PROVIDER}/{DAY}/report.html")
    assert answer is not None
    assert answer.status == 200
    assert await page.locator("html").get_attribute("lang") == "ru"
    assert await english(page, PROVIDER) == []


async def test_the_report_of_a_day(browser: Browser, tmp_path: Path) -> None:
    with writing_for(Reader("ru")), words.speaking(tongue()._replace(say=retold)):
        (tmp_path / "report.html").write_bytes(as_html(a_full_report()))
    page = await browser.new_page()
    await page.goto((tmp_path / "report.html").as_uri())
    await is_fit_for_people(page, "ru-clearing-report", "ru")


async def test_dead_letters(browser: Browser, admin: World, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    async def found(*_: object, **__: object) -> list[DeadLetter]:
        return [letter(number) for number in range(8)]

    async def one(*_: object) -> DeadLetter:
        return letter(1)

    monkeypatch.setattr(dead_letters, "list_dead_letters", found)
    monkeypatch.setattr(dead_letters, "read_dead_letter", one)
    page = await opened(browser, admin.url, admin.accounts.open(Role.ADMIN))
    left = {}
    for path in ("letters", "letters/1-401"):
        await page.goto(f"{admin.url}/{path}")
        left[path] = await english(page, "payments")
        await is_fit_for_people(page, f"ru-{path.replace('/', '-')}", "ru")
    assert _some(left) == []


@pytest.mark.parametrize("name", ["decline_reasons", "mrr_movements", "funnel", "subscriptions_by_status"])
async def test_reports_with_rows(browser: Browser, admin: World, name: str) -> None:  # noqa: F811
    admin.store.results[name] = example_of(find_report(name))
    page = await opened(browser, admin.url, admin.accounts.open(Role.ADMIN))
    await page.goto(f"{admin.url}/reports/{name}")
    assert await english(page) == []
    await is_fit_for_people(page, f"ru-report-{name}", "ru")
    await page.goto(f"{admin.url}/reports/{name}.svg?size=page")
    assert [text for text in await page.locator("text").all_text_contents() if _LATIN.search(_DATA.sub("", text))] == []
