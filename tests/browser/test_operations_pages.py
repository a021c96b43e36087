"""The pages of dead letters and providers, with made-up content."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from playwright.async_api import Browser, Page

from backoffice import provider_switches
from backoffice.dead_letters import resolution as dead_letters
from backoffice.dead_letters.resolution import DeadLetter
from backoffice.provider_switches import ProviderState
from billing.access.roles import Role
from runtime.kafka.dead_letters import Letter
from storage.providers.switches import OpenBreaker, Switch
from tests.browser.conftest import is_fit_for_people, signed_in
from tests.support.factories import NOW
from tests.unit.admin.conftest import World, serving

CAUSES = (
    "ValidationError: Expected `int`, got `str` - at `$.amount`",
    "KeyError: 'payment_id'",
    "DecodeError: not JSON",
)


@pytest.fixture
async def page(browser: Browser) -> Page:
    return await browser.new_page()


@pytest.fixture
async def admin() -> AsyncIterator[World]:
    async with serving() as world:
        yield world


def letter(number: int) -> DeadLetter:
    origin = {
        "cause": CAUSES[number % 7 % 3],
        "consumer": "payments",
        "topic": "billing.payments.inbox",
        "partition": str(number % 12),
        "offset": str(880_000 + number),
    }
    value = b'{"type": "billing.payment.refund.v1", "data": {"amount": "ten", "contact": {"email": "ann@example.com"}}}'
    at = NOW - timedelta(minutes=17 * number)
    return DeadLetter(Letter(number % 3, 400 + number, at, origin, [("id", b"7")], b"key-1", value), None)


async def test_dead_letters(page: Page, admin: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(*_: object, **__: object) -> list[DeadLetter]:
        return [letter(number) for number in range(40)]

    async def one(*_: object) -> DeadLetter:
        return letter(1)

    monkeypatch.setattr(dead_letters, "list_dead_letters", found)
    monkeypatch.setattr(dead_letters, "read_dead_letter", one)
    await signed_in(page, admin, role=Role.ADMIN)
    await page.goto(f"{admin.url}/letters")
    assert await page.locator("section h2").count() == len(CAUSES)
    await is_fit_for_people(page, "letters")
    await page.locator("section a").first.click()
    assert await page.get_by_role("button", name="Replay").is_visible()
    assert "ann@example.com" not in await page.content()
    await is_fit_for_people(page, "letter")


async def test_providers(page: Page, admin: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(_settings: object) -> list[ProviderState]:
        off = Switch(False, "their incident 7: every call times out", "olga@example.com", NOW)
        breaker = OpenBreaker("tbank", "worker-1", "503 Service Unavailable", NOW)
        return [
            ProviderState("stripe", True, None, [], 0),
            ProviderState("tbank", True, None, [breaker], 12),
            ProviderState("yandex-pay", False, off, [], 1_204),
        ]

    monkeypatch.setattr(provider_switches, "list_providers", found)
    await signed_in(page, admin, role=Role.ADMIN)
    await page.goto(f"{admin.url}/providers")
    assert await page.get_by_role("button", name="Switch off").count() == 2
    assert await page.get_by_role("button", name="Switch on, send what waits").count() == 1
    await is_fit_for_people(page, "providers")
