"""The pages of customers, subscriptions and API keys in both widths and schemes, and a walk: find a customer, cancel their
subscription at its end, reveal a contact."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from playwright.async_api import Browser, Page
from sqlalchemy import text

from admin.people import cookies
from billing.access.roles import Role
from billing.messages import RefundPayment
from billing.subscriptions.methods import Method
from billing.subscriptions.vocabulary import Status
from runtime.clock import utc_now
from tests.browser.conftest import is_fit_for_people
from tests.integration.admin.test_customers import a_film
from tests.integration.conftest import database, migrated  # noqa: F401 - fixtures
from tests.support.panel_subscriptions import CONTACT, SubscriptionPanel
from tests.unit.admin.conftest import serving

CUSTOMER = "c-1842"
SAVED = """
    INSERT INTO saved_methods (id, client_id, customer_id, provider, method_ref, title, expires_on, status, status_at,
                               status_by, created_at)
    VALUES (gen_random_uuid(), 'site', :customer, 'yookassa', :ref, :title, :expires, :status, now(), 'payment', now())
"""


@pytest.fixture
async def panel(
    database: Any,  # noqa: F811 - the fixture that is imported
    stack: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[SubscriptionPanel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = SubscriptionPanel(world, database)
        world.accounts.person = panel.person
        monkeypatch.setattr("admin.subscriptions.pages.send_command", panel.send_subscription)
        yield panel


async def signed_in(browser: Browser, panel: SubscriptionPanel, name: str, role: Role) -> Page:
    panel.become(name, role)
    context = await browser.new_context()
    await context.add_cookies([{"name": cookies.SESSION, "value": f"session-of-{name}", "url": panel.world.url}])
    return await context.new_page()


async def a_customer(panel: SubscriptionPanel) -> UUID:
    """Somebody who has subscribed for three months, bought films, and has two saved methods."""
    panel.now = utc_now() - timedelta(days=66)
    method = Method(UUID(int=7), "yookassa", "pm-1", "Mir *4242")
    s = await panel.a_subscription(CUSTOMER, method=method, metadata={"campaign": "spring"})
    for _ in range(2):
        await panel.renewed(s.id)
    async with panel.stream.engine.begin() as connection:
        for ref, title, status in (("pm-1", "Mir *4242", "ACTIVE"), ("pm-2", "Visa *1111", "REMOVED")):
            values = {"customer": CUSTOMER, "ref": ref, "title": title, "status": status}
            await connection.execute(text(SAVED), values | {"expires": (utc_now() + timedelta(days=400)).date()})
    film = await a_film(panel, CUSTOMER)
    await a_film(panel, CUSTOMER, currency="USD")
    await panel.stream.deliver(await panel.stream.agent(), RefundPayment(film.id, UUID(int=1), "asked", 10_000))
    return s.id


async def test_the_pages(browser: Browser, panel: SubscriptionPanel) -> None:
    id = await a_customer(panel)
    page = await signed_in(browser, panel, "adam", Role.ADMIN)
    url = panel.world.url
    for path, name in (
        (f"/payments?q={CUSTOMER}", "search-customer"),
        (f"/customers/{CUSTOMER}", "customer"),
        ("/customers/nobody", "customer-none"),
        (f"/subscriptions/{id}", "subscription"),
        (f"/subscriptions/{id}/end", "subscription-end"),
        (f"/subscriptions/{id}/extend", "subscription-extend"),
        ("/keys", "keys-none"),
        ("/keys/new", "keys-new"),
        ("/staff", "staff-keys"),
    ):
        await page.goto(url + path)
        await is_fit_for_people(page, name)
    s = await panel.subscription(id)
    assert s.period is not None
    await page.goto(f"{url}/payments/{s.period.paid_by}")
    await is_fit_for_people(page, "payment-of-subscription")
    await page.goto(f"{url}/keys/new")
    await page.get_by_label("Name", exact=True).fill("shop")
    for scope in ("payments:read", "payments:write", "subscriptions:write"):
        await page.get_by_label(scope).check()
    await page.get_by_label("Hosts to which").fill("shop.example, *.shop.example")
    await page.get_by_label("Reason").fill("a new shop")
    await page.get_by_role("button", name="Create").click()
    assert await page.locator("code.key").inner_text() != ""
    await is_fit_for_people(page, "keys-issued")
    await page.get_by_role("link", name="I have it").click()
    await is_fit_for_people(page, "keys")
    await page.get_by_role("link", name="Revoke the key").click()
    await is_fit_for_people(page, "keys-revoke")
    await panel.declined(id)
    await page.goto(f"{url}/subscriptions/{id}")
    await is_fit_for_people(page, "subscription-declined")


async def test_a_customer_is_found_a_subscription_cancelled_and_a_contact_revealed(
    browser: Browser, panel: SubscriptionPanel
) -> None:
    id = await a_customer(panel)
    page = await signed_in(browser, panel, "sam", Role.SUPPORT)
    await page.goto(f"{panel.world.url}/payments")
    await page.get_by_role("searchbox").fill(CUSTOMER)
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name=f"Everything about the customer {CUSTOMER}").click()
    assert await page.get_by_role("heading", level=1).inner_text() == f"{CUSTOMER} customer"
    await page.get_by_role("link", name="Cinema", exact=True).click()
    await page.get_by_role("link", name="Cancel at its end").click()
    await page.get_by_label("Reason").fill("asked by phone")
    await page.get_by_role("button", name="Preview").click()
    assert "not by itself" in await page.locator(".course").inner_text()
    await is_fit_for_people(page, "subscription-preview")
    assert panel.asked_of == []
    await page.get_by_role("button", name="Cancel at its end").click()
    assert "Carried out" in await page.get_by_role("status").inner_text()
    await is_fit_for_people(page, "subscription-result")
    s = await panel.subscription(id)
    assert s.period is not None
    assert s.cancel is not None
    assert (s.status, s.cancel.at, s.cancel.by) == (Status.ACTIVE, s.period.end_at, "operator:sam@cinema.example")
    await page.get_by_role("link", name="To the subscription").click()
    assert await page.get_by_text("Cancelled by sam@cinema.example").is_visible()
    await page.get_by_role("link", name=CUSTOMER).first.click()
    assert CONTACT.email is not None
    assert CONTACT.email not in await page.content()
    await page.get_by_text("Show the contacts").click()
    await page.get_by_label("Reason").fill("the receipt was lost")
    await page.get_by_role("button", name="Show").click()
    assert await page.get_by_text(CONTACT.email).is_visible()
    await is_fit_for_people(page, "customer-revealed")
    await page.get_by_role("link", name="Hide them").click()
    assert CONTACT.email not in await page.content()
    kinds = [str(entry.kind) for entry in panel.world.trail.entries]
    assert kinds.count("reveal") == 1
    assert msgspec.to_builtins(panel.world.trail.entries[-2].detail) == {"fields": ["email", "phone"]}
    await page.get_by_text("Add a note").click()
    await page.get_by_label("Note", exact=True).fill("Called twice.\nThe receipt was in the spam folder.")
    await page.get_by_role("button", name="Add", exact=True).click()
    assert page.url.endswith(f"/customers/{CUSTOMER}#notes")
    assert await page.locator("#notes .note").inner_text() == "Called twice.\nThe receipt was in the spam folder."
    await is_fit_for_people(page, "customer-noted")
