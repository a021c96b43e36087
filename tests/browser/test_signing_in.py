"""Passkeys with Chromium's own virtual authenticator, and the way to an OpenID provider and back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pyotp
import pytest
from playwright.async_api import Browser, CDPSession, Page
from sqlalchemy import text

from admin.people.authenticator import secret_of_link, shown
from backoffice import staff
from billing.access.roles import Role
from tests.browser.conftest import is_fit_for_people
from tests.integration.admin.people import OPERATOR, PASSWORD
from tests.integration.conftest import database, migrated  # noqa: F401 - fixtures
from tests.support.openid_provider import CLIENT, SECRET, OpenidProvider
from tests.unit.admin.conftest import World, serving

EMAIL = "ann@cinema.example"


def now() -> datetime:
    return datetime.now(UTC)


def url_of(database: Any) -> str:  # noqa: F811 - the engine
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)  # type: ignore[no-any-return]


@pytest.fixture
async def admin(
    database: Any,  # noqa: F811 - the fixture that is imported
) -> AsyncIterator[World]:
    async with serving(now, postgres_url=url_of(database), admin_url="http://localhost:{port}") as world:
        yield world


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page that complains of nothing."""
    page, said = await browser.new_page(), []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    yield page
    assert [text for text in said if "401" not in text] == [], "the content policy allows what the page needs"


async def plugged_in(page: Page) -> tuple[CDPSession, str]:
    """A virtual authenticator that counts, and verifies its person."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasUserVerification": True, "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }  # fmt: skip
    added = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, added["authenticatorId"]


async def hired(page: Page, admin: World) -> None:
    """Somebody chooses a password and sets up an authenticator app."""
    issued = await staff.add(admin.settings, OPERATOR, EMAIL, "Ann", Role.FINANCE)
    assert issued is not None
    await page.goto(issued.url)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Password again").fill(PASSWORD)
    await page.get_by_role("textbox", name="Code").fill(
        pyotp.TOTP(shown(secret_of_link(issued.url.rpartition("/")[2]))).now()
    )
    await page.get_by_role("button", name="Set and sign in").click()
    await page.get_by_role("link", name="Ann").wait_for()


async def add_passkey(page: Page, admin: World, name: str) -> None:
    await page.goto(f"{admin.settings.admin_url}/me")
    await page.get_by_role("link", name="Add a passkey").click()
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_text("Your passkeys are changed").wait_for()


async def leave(page: Page, admin: World) -> None:
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("heading", name="Sign in").wait_for()


async def continue_with_passkey(page: Page, admin: World) -> None:
    await page.goto(f"{admin.settings.admin_url}/sign-in?next=/me")
    await page.get_by_label("E-mail address").fill(EMAIL)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Continue with a passkey").click()


async def test_a_passkey_is_added_shown_and_removed(page: Page, admin: World) -> None:
    await plugged_in(page)
    await hired(page, admin)
    await page.goto(f"{admin.settings.admin_url}/me/passkeys/new")
    await is_fit_for_people(page, "passkey-name")
    await add_passkey(page, admin, "laptop")
    await is_fit_for_people(page, "me-with-passkey")
    await leave(page, admin)
    await is_fit_for_people(page, "sign-in-with-passkey")
    await continue_with_passkey(page, admin)
    await page.get_by_role("heading", name="Ann", exact=True).wait_for()
    await page.goto(f"{admin.settings.admin_url}/confirm?next=/me")
    await is_fit_for_people(page, "confirm-with-passkey")
    await page.get_by_role("button", name="Confirm with a passkey").click()
    await page.get_by_role("heading", name="Ann", exact=True).wait_for()
    await page.get_by_role("link", name="Remove laptop").click()
    await is_fit_for_people(page, "passkey-removal")
    await page.get_by_role("button", name="Remove").click()
    await page.get_by_text("You have none.").wait_for()


async def test_a_browser_that_gives_none_says_so_and_may_be_asked_again(page: Page, admin: World) -> None:
    session, authenticator = await plugged_in(page)
    await hired(page, admin)
    await add_passkey(page, admin, "laptop")
    await leave(page, admin)
    verified = {"authenticatorId": authenticator, "isUserVerified": False}
    await session.send("WebAuthn.setUserVerified", verified)
    await continue_with_passkey(page, admin)
    await page.get_by_role("alert").wait_for()
    assert await page.get_by_text("The browser did not give a passkey").is_visible()
    await is_fit_for_people(page, "passkey-failed")
    await session.send("WebAuthn.setUserVerified", verified | {"isUserVerified": True})
    await page.get_by_role("button", name="Ask again").click()
    await page.get_by_role("heading", name="Ann", exact=True).wait_for()


async def test_a_copy_of_an_authenticator_and_another_origin_are_refused(
    page: Page,
    admin: World,
    database: Any,  # noqa: F811 - the fixture that is imported
) -> None:
    session, authenticator = await plugged_in(page)
    await hired(page, admin)
    await add_passkey(page, admin, "laptop")
    (credential,) = (await session.send("WebAuthn.getCredentials", {"authenticatorId": authenticator}))["credentials"]
    await leave(page, admin)
    await continue_with_passkey(page, admin)
    await page.get_by_role("heading", name="Ann", exact=True).wait_for()
    await leave(page, admin)
    # The copy has the count of when it was made.
    await session.send("WebAuthn.clearCredentials", {"authenticatorId": authenticator})
    copy = {"authenticatorId": authenticator, "credential": credential}
    await session.send("WebAuthn.addCredential", copy)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE staff_passkeys SET sign_count = sign_count + 10"))
    await continue_with_passkey(page, admin)
    await page.get_by_role("heading", name="That did not work").wait_for()
    await is_fit_for_people(page, "passkey-refused")
    async with database.begin() as connection:
        last = "SELECT detail ->> 'why' FROM staff_trail ORDER BY id DESC LIMIT 1"
        assert (await connection.execute(text(last))).scalar_one() == "sign_count"
        await connection.execute(text("UPDATE staff_passkeys SET sign_count = 0"))
        await connection.execute(text("DELETE FROM sign_in_attempts"))
    # The same page under another name: the browser has no passkey for it.
    elsewhere = admin.settings.admin_url.replace("localhost", "127.0.0.1")
    await page.goto(f"{elsewhere}/sign-in")
    await page.get_by_label("E-mail address").fill(EMAIL)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Continue with a passkey").click()
    await page.get_by_text("The browser did not give a passkey").wait_for()


async def test_without_a_script_the_page_leads_to_the_authenticator_app(browser: Browser, admin: World) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await plugged_in(page)
    await hired(page, admin)
    await add_passkey(page, admin, "laptop")
    without = await (await browser.new_context(java_script_enabled=False)).new_page()
    await continue_with_passkey(without, admin)
    await without.get_by_role("heading", name="Passkey").wait_for()
    assert await without.get_by_text("this browser runs none. Use the authenticator app").is_visible()
    assert not await without.get_by_role("button", name="Ask again").is_visible()


async def test_to_the_openid_provider_and_back(
    page: Page,
    database: Any,  # noqa: F811 - the fixture that is imported
) -> None:
    async with OpenidProvider().serving() as provider:
        configured = {
            "postgres_url": url_of(database), "admin_url": "http://localhost:{port}", "admin_oidc_issuer": provider.issuer,
            "admin_oidc_client_id": CLIENT, "admin_oidc_client_secret": SECRET, "admin_break_glass": ["olga@cinema.example"],
        }  # fmt: skip
        async with serving(now, **configured) as admin:
            await page.goto(f"{admin.settings.admin_url}/sign-in?next=/me")
            await is_fit_for_people(page, "sign-in-at-provider")
            await staff.add(admin.settings, OPERATOR, EMAIL, "Ann", Role.FINANCE)
            await page.get_by_role("link", name="Sign in at 127.0.0.1").click()
            await page.get_by_role("heading", name="Ann", exact=True).wait_for()
            assert page.url == f"{admin.settings.admin_url}/me"
            await is_fit_for_people(page, "me-at-provider")
            await page.goto(f"{admin.settings.admin_url}/confirm?next=/me")
            await is_fit_for_people(page, "confirm-at-provider")
            await page.get_by_role("link", name="Sign in again at 127.0.0.1").click()
            await page.get_by_role("heading", name="Ann", exact=True).wait_for()


async def test_somebody_who_is_not_on_the_staff_is_told_what_to_do(
    browser: Browser,
    database: Any,  # noqa: F811 - the fixture that is imported
) -> None:
    page = await browser.new_page()
    async with OpenidProvider().serving() as provider:
        configured = {
            "postgres_url": url_of(database), "admin_url": "http://localhost:{port}", "admin_oidc_issuer": provider.issuer,
            "admin_oidc_client_id": CLIENT, "admin_oidc_client_secret": SECRET,
        }  # fmt: skip
        async with serving(now, **configured) as admin:
            await page.goto(f"{admin.settings.admin_url}/sign-in/oidc")
            await page.get_by_text("Nobody with your e-mail address is on the staff").wait_for()
            await is_fit_for_people(page, "not-identified")
