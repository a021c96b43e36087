"""Signing in at an OpenID provider, which is a real one over HTTP, with accounts in Postgres."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.people.cookies import JOURNEY, SESSION
from admin.people.oidc import provider as oidc_provider
from backoffice import staff
from backoffice.operators import ActionRefused
from billing.access.roles import Role
from storage.staff.attempts import ADDRESS_MAX
from tests.integration.admin.people import OPERATOR, PASSWORD, Hours
from tests.support.openid_provider import CLIENT, SECRET, OpenidProvider, unsigned
from tests.unit.admin.conftest import World, serving

EMAIL = "ann@cinema.example"


@dataclass
class Visit:
    """Somebody at our pages and at the provider's."""

    world: World
    provider: OpenidProvider

    async def leave(self, path: str = "/sign-in/oidc") -> str:
        """Set out; returns the provider's address to come back to."""
        left = await self.world.get(path)
        assert left.status == 303, await left.text()
        sent = await self.world.http.get(left.headers["Location"], allow_redirects=False)
        return sent.headers["Location"]

    async def back(self, url: str) -> aiohttp.ClientResponse:
        return await self.world.http.get(url, allow_redirects=False)

    async def sign_in(self, path: str = "/sign-in/oidc") -> aiohttp.ClientResponse:
        return await self.back(await self.leave(path))

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.world.http.cookie_jar}


@pytest.fixture
def hours() -> Hours:
    return Hours(datetime.now(UTC))


@pytest.fixture
async def provider() -> AsyncIterator[OpenidProvider]:
    async with OpenidProvider().serving() as made:
        yield made


@pytest.fixture
def settings() -> dict[str, Any]:
    """What a test adds to the settings."""
    return {}


@pytest.fixture
async def visit(
    database: AsyncEngine, hours: Hours, provider: OpenidProvider, settings: dict[str, Any]
) -> AsyncIterator[Visit]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    configured = {
        "postgres_url": url, "admin_url": "http://127.0.0.1:{port}", "admin_oidc_issuer": provider.issuer,
        "admin_oidc_client_id": CLIENT, "admin_oidc_client_secret": SECRET, **settings,
    }  # fmt: skip
    async with serving(hours, **configured) as made:
        made.headers = {}
        yield Visit(made, provider)


async def hire(visit: Visit, role: Role = Role.FINANCE, email: str = EMAIL) -> None:
    assert await staff.add(visit.world.settings, OPERATOR, email, "Ann", role) is None


async def trail_of(database: AsyncEngine) -> list[tuple[str, str, dict[str, Any]]]:
    async with database.connect() as connection:
        rows = await connection.execute(
            text("SELECT kind, who, detail FROM staff_trail WHERE kind <> 'staff' ORDER BY id")
        )
        return [tuple(row) for row in rows]


async def nobody_is_in(visit: Visit, database: AsyncEngine, answer: aiohttp.ClientResponse, why: str) -> None:
    """The page says so, there is no session, and the trail has the reason."""
    assert answer.status == 403, await answer.text()
    assert "You are not signed in" in await answer.text()
    assert SESSION not in visit.cookies
    async with database.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM staff_sessions"))).scalar_one() == 0
        assert (await connection.execute(text("SELECT count(*) FROM staff_identities"))).scalar_one() == 0
    kind, _, detail = (await trail_of(database))[-1]
    assert (kind, detail["why"], detail["by"]) == ("sign_in_refused", why, "openid")


@pytest.mark.parametrize("kind", ["rsa", "ec"])
async def test_a_person_of_the_staff_signs_in_and_is_fixed_to_the_subject(
    visit: Visit, database: AsyncEngine, kind: str
) -> None:
    await hire(visit)
    if kind == "ec":
        visit.provider.use_ec()
    answer = await visit.sign_in("/sign-in/oidc?next=/reports")
    assert (answer.status, answer.headers["Location"]) == (303, "/reports")
    assert (await visit.world.get("/reports")).status == 200
    assert JOURNEY not in visit.cookies, "it is good once"
    visit.world.http.cookie_jar.clear()
    visit.provider.person |= {"email": "anna@elsewhere.example", "email_verified": False}
    assert (await visit.sign_in()).status == 303, "the subject is known now, whatever the address"
    kinds = [(kind, who) for kind, who, _ in await trail_of(database)]
    assert kinds == [("credential", EMAIL), ("sign_in", EMAIL), ("sign_in", EMAIL)]


async def test_a_client_secret_goes_into_the_form_where_the_provider_wants_it_there(visit: Visit) -> None:
    await hire(visit)
    visit.provider.methods = ["client_secret_post"]
    assert (await visit.sign_in()).status == 303


async def test_the_page_to_sign_in_leads_to_the_provider_and_has_no_password(visit: Visit) -> None:
    page = await (await visit.world.get("/sign-in?next=/reports")).text()
    assert 'href="/sign-in/oidc?next=/reports"' in page
    assert "password" not in page


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "/\\evil.example", "x" * 5000, ""])
async def test_the_way_back_leads_to_a_page_of_ours(visit: Visit, next: str) -> None:
    await hire(visit)
    assert (await visit.sign_in(f"/sign-in/oidc?next={next}")).headers["Location"] == "/"


async def test_a_forged_state_is_refused(visit: Visit, database: AsyncEngine) -> None:
    await hire(visit)
    url = await visit.leave()
    state = parse_qs(urlsplit(url).query)["state"][0]
    await nobody_is_in(visit, database, await visit.back(url.replace(state, "guessed")), "state")


async def test_a_journey_that_another_browser_began_is_refused(visit: Visit, database: AsyncEngine) -> None:
    await hire(visit)
    url = await visit.leave()
    visit.world.http.cookie_jar.clear()
    answer = await visit.back(url)
    assert answer.status == 403
    assert SESSION not in visit.cookies
    assert await trail_of(database) == [], "another site can have a browser do this; it counts for nothing"


async def test_a_journey_sealed_with_another_secret_is_refused(visit: Visit, database: AsyncEngine) -> None:
    await hire(visit)
    url = await visit.leave()
    header, payload, seal = visit.cookies[JOURNEY].split(".")
    forged = {"Cookie": f"{JOURNEY}={header}.{payload}.{seal[::-1]}"}
    visit.world.http.cookie_jar.clear()
    answer = await visit.world.http.get(url, headers=forged, allow_redirects=False)
    await nobody_is_in(visit, database, answer, "state")


async def test_a_journey_is_over_after_ten_minutes(visit: Visit, database: AsyncEngine, hours: Hours) -> None:
    await hire(visit)
    url = await visit.leave()
    hours.pass_(minutes=10, seconds=1)
    await nobody_is_in(visit, database, await visit.back(url), "state")


async def test_an_answer_of_another_issuer_is_refused(visit: Visit, database: AsyncEngine) -> None:
    await hire(visit)
    url = await visit.leave()
    await nobody_is_in(visit, database, await visit.back(url.replace("iss=http", "iss=https")), "state")


async def test_a_code_is_good_once(visit: Visit, database: AsyncEngine) -> None:
    await hire(visit)
    url = await visit.leave()
    held = visit.cookies[JOURNEY]
    assert (await visit.back(url)).status == 303
    visit.world.http.cookie_jar.clear()
    answer = await visit.world.http.get(url, headers={"Cookie": f"{JOURNEY}={held}"}, allow_redirects=False)
    assert answer.status == 403
    assert SESSION not in visit.cookies
    assert (await trail_of(database))[-1][2]["why"] == "code"


async def test_a_code_of_another_journey_is_refused(visit: Visit, database: AsyncEngine) -> None:
    """Somebody has the victim's browser end a journey with the code of their own: PKCE's verifier does not fit it."""
    await hire(visit)
    theirs = parse_qs(urlsplit(await visit.leave()).query)["code"][0]
    url = await visit.leave()
    own = parse_qs(urlsplit(url).query)["code"][0]
    await nobody_is_in(visit, database, await visit.back(url.replace(own, theirs)), "code")


async def test_the_provider_declines(visit: Visit, database: AsyncEngine) -> None:
    await hire(visit)
    url = await visit.leave()
    code = parse_qs(urlsplit(url).query)["code"][0]
    answer = await visit.back(url.replace(f"code={code}", "error=access_denied"))
    await nobody_is_in(visit, database, answer, "declined")


def stranger(provider: OpenidProvider) -> None:
    """Signs with a key of their own, and names the provider's."""
    provider.signed = OpenidProvider().sign


def with_an_unknown_key(claims: dict[str, Any]) -> str:
    another = OpenidProvider()
    another.rotate()
    return another.sign(claims)


def changed(**claims: Any) -> Callable[[OpenidProvider], None]:
    def apply(provider: OpenidProvider) -> None:
        provider.changed = lambda made: {name: value for name, value in (made | claims).items() if value is not None}

    return apply


TOKENS = {
    "the nonce is another": changed(nonce="another"),
    "there is no nonce": changed(nonce=None),
    "it is for another client": changed(aud="another-client"),
    "another client asked for it": changed(azp="another-client"),
    "it is for several clients, and none asked for it": changed(aud=[CLIENT, "another-client"]),
    "it is of another issuer": changed(iss="https://elsewhere.example"),
    "it is over": changed(exp=int(time.time()) - 120),
    "it is of tomorrow": changed(iat=int(time.time()) + 86_400),
    "it never ends": changed(exp=None),
    "it has no subject": changed(sub=None),
    "its subject is no text": changed(sub=17),
    "it has no signature": lambda provider: setattr(provider, "signed", unsigned),
    "the public key is the secret of an HMAC": lambda p: setattr(p, "signed", p.sign_with_public_key),
    "another key signed it": stranger,
    "its key is not published": lambda p: setattr(p, "signed", with_an_unknown_key),
    "it is no token": lambda p: setattr(p, "signed", lambda _: "no.token.here"),
}


@pytest.mark.parametrize("case", TOKENS)
async def test_a_token_is_refused_if(visit: Visit, database: AsyncEngine, case: str) -> None:
    await hire(visit)
    TOKENS[case](visit.provider)
    await nobody_is_in(visit, database, await visit.sign_in(), "token")


@pytest.mark.parametrize(
    ("person", "why"),
    [
        ({"email_verified": False}, "email"),
        ({"email_verified": "true"}, "email"),
        ({"email_verified": None}, "email"),
        ({"email": "eve@cinema.example"}, "unknown"),
    ],
)
async def test_the_first_time_a_verified_address_of_the_staff_is_needed(
    visit: Visit, database: AsyncEngine, person: dict[str, Any], why: str
) -> None:
    await hire(visit)
    visit.provider.person |= person
    await nobody_is_in(visit, database, await visit.sign_in(), why)


async def test_a_suspended_person_is_refused_at_the_first_sign_in_and_at_every_later_one(
    visit: Visit, database: AsyncEngine
) -> None:
    await hire(visit)
    await staff.suspend(visit.world.settings, OPERATOR, EMAIL)
    await nobody_is_in(visit, database, await visit.sign_in(), "suspended")
    await staff.restore(visit.world.settings, OPERATOR, EMAIL)
    assert (await visit.sign_in()).status == 303
    await staff.suspend(visit.world.settings, OPERATOR, EMAIL)
    assert (await visit.world.get("/reports")).status == 303
    visit.world.http.cookie_jar.clear()
    assert (await visit.sign_in()).status == 403
    assert (await trail_of(database))[-1][1:] == (EMAIL, {"by": "openid", "why": "suspended"})


async def test_another_subject_with_the_same_address_is_refused_until_an_operator_unlinks(
    visit: Visit, database: AsyncEngine
) -> None:
    await hire(visit)
    assert (await visit.sign_in()).status == 303
    visit.world.http.cookie_jar.clear()
    visit.provider.person["sub"] = "another"
    assert (await visit.sign_in()).status == 403
    assert (await trail_of(database))[-1][1:] == (EMAIL, {"by": "openid", "why": "subject"})
    await staff.unlink(visit.world.settings, OPERATOR, EMAIL)
    assert (await visit.sign_in()).status == 303
    visit.world.http.cookie_jar.clear()
    visit.provider.person["sub"] = "248289"
    assert (await visit.sign_in()).status == 403, "the first one is out"
    await staff.unlink(visit.world.settings, OPERATOR, EMAIL)
    with pytest.raises(ActionRefused, match="is not linked"):
        await staff.unlink(visit.world.settings, OPERATOR, EMAIL)


MAPPED = {
    "admin_oidc_role_claim": "realm_access.roles",
    "admin_oidc_roles": {"billing-viewer": "viewer", "billing-finance": "finance", "billing-admin": "admin"},
}


@pytest.mark.parametrize("settings", [MAPPED])
@pytest.mark.parametrize(
    ("role", "claimed", "may", "may_not"),
    [
        (Role.VIEWER, ["billing-admin"], "/reports", "/staff"),
        (Role.ADMIN, ["billing-finance", "billing-viewer", "others"], "/letters", "/staff"),
        (Role.ADMIN, ["billing-viewer"], "/reports", "/letters"),
        # Viewers see reports and support does not: a lower role must not give what the account's has not.
        (Role.SUPPORT, ["billing-viewer"], "/payments", "/reports"),
    ],
)
async def test_a_claim_lowers_the_role_and_never_raises_it(
    visit: Visit, role: Role, claimed: list[str], may: str, may_not: str
) -> None:
    await hire(visit, role)
    visit.provider.person["realm_access"] = {"roles": claimed}
    assert (await visit.sign_in()).status == 303
    assert (await visit.world.get(may)).status != 403
    assert (await visit.world.get(may_not)).status == 403


@pytest.mark.parametrize("settings", [MAPPED])
@pytest.mark.parametrize("claimed", [None, "billing-admin", {"roles": None}, {"roles": ["others", 17]}, {"roles": {}}])
async def test_without_a_mapped_value_nobody_is_let_in(visit: Visit, database: AsyncEngine, claimed: Any) -> None:
    await hire(visit, Role.ADMIN)
    visit.provider.person["realm_access"] = claimed
    await nobody_is_in(visit, database, await visit.sign_in(), "role")


async def test_a_session_that_was_there_before_is_not_taken_over(visit: Visit) -> None:
    await hire(visit)
    planted = "a-token-that-somebody-else-knows"
    url = await visit.leave()
    headers = {"Cookie": f"{SESSION}={planted}; {JOURNEY}={visit.cookies[JOURNEY]}"}
    visit.world.http.cookie_jar.clear()
    answer = await visit.world.http.get(url, headers=headers, allow_redirects=False)
    assert answer.status == 303
    assert answer.cookies[SESSION].value != planted
    visit.world.http.cookie_jar.clear()
    assert (await visit.world.get("/me", Cookie=f"{SESSION}={planted}")).status == 303


async def test_many_refusals_from_an_address_block_it_and_sign_ins_do_not(visit: Visit) -> None:
    await hire(visit)
    for _ in range(3):
        assert (await visit.sign_in()).status == 303
    visit.provider.person |= {"sub": "eve", "email": "eve@cinema.example"}
    visit.world.http.cookie_jar.clear()
    for _ in range(ADDRESS_MAX):
        assert (await visit.sign_in()).status == 403
    answer = await visit.sign_in()
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "60"


async def test_keys_are_fetched_again_once_when_the_provider_has_new_ones(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc_provider, "PAUSE_S", 0.0)
    await hire(visit)
    assert (await visit.sign_in()).status == 303
    visit.provider.rotate()
    visit.world.http.cookie_jar.clear()
    assert (await visit.sign_in()).status == 303
    assert visit.provider.calls.count("/keys") == 2
    assert visit.provider.calls.count("/.well-known/openid-configuration") == 1


async def test_tokens_with_unknown_keys_do_not_become_a_flood_of_fetches(visit: Visit) -> None:
    await hire(visit)
    visit.provider.signed = with_an_unknown_key
    for _ in range(4):
        assert (await visit.sign_in()).status == 403
    assert visit.provider.calls.count("/keys") == 1


DISCOVERY = "/.well-known/openid-configuration"
FAILURES = [
    (DISCOVERY, 503, b""),
    (DISCOVERY, 200, b"<html>maintenance</html>"),
    (DISCOVERY, 200, b"[" * 100_000),
    (DISCOVERY, 200, b'{"pad": "' + b"x" * 300_000 + b'"}'),
    (DISCOVERY, 302, b""),
    (
        DISCOVERY, 200,
        (b'{"issuer": "https://elsewhere.example", "authorization_endpoint": "https://elsewhere.example/a",'
        b' "token_endpoint": "https://elsewhere.example/t", "jwks_uri": "https://elsewhere.example/k"}'),
    ),
    ("/keys", 500, b""),
    ("/keys", 200, b'{"keys": 17}'),
    ("/keys", 302, b""),
    ("/token", 500, b""),
    ("/token", 401, b'{"error": "invalid_client"}'),
    ("/token", 200, b'{"access_token": "without an ID token"}'),
    ("/token", 200, b"not JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status", "body"), FAILURES)
async def test_a_provider_that_does_not_answer_as_it_should_signs_nobody_in(
    visit: Visit, database: AsyncEngine, path: str, status: int, body: bytes
) -> None:
    await hire(visit)
    visit.provider.replaced[path] = (status, body)
    if path == DISCOVERY:
        answer = await visit.world.get("/sign-in/oidc")
    else:
        answer = await visit.sign_in()
    assert answer.status == 503
    assert "does not answer, or not as it should" in await answer.text()
    assert SESSION not in visit.cookies
    async with database.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM staff_sessions"))).scalar_one() == 0
        counted = (await connection.execute(text("SELECT sum(failures) FROM sign_in_attempts"))).scalar_one()
    assert not counted, "it is no failure of the person's"
    visit.provider.replaced.clear()
    assert (await visit.sign_in()).status == 303, "nothing is left of the failure"


async def test_a_slow_provider_is_not_waited_for(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc_provider, "TIMEOUT_S", 0.3)
    visit.provider.delay_s = 5.0
    async with asyncio.timeout(4):
        assert (await visit.world.get("/sign-in/oidc")).status == 503


@pytest.mark.parametrize("settings", [{"admin_break_glass": ["Olga@cinema.example"]}])
async def test_passwords_are_for_those_who_are_named(visit: Visit, database: AsyncEngine) -> None:
    settings = visit.world.settings
    await hire(visit)
    with pytest.raises(ActionRefused, match="BILLING_ADMIN_BREAK_GLASS"):
        await staff.link(settings, OPERATOR, EMAIL)
    issued = await staff.add(settings, OPERATOR, "olga@cinema.example", "Olga", Role.VIEWER)
    assert issued is not None
    link = urlsplit(issued.url).path
    form = {"password": PASSWORD, "again": PASSWORD, "code": ""}
    assert (await visit.world.post(link, form)).status == 303
    async with database.begin() as connection:  # ann's password, of the time before there was a provider
        ids = "INSERT INTO staff_credentials SELECT s.id, c.kind, c.data, NULL, c.created_at FROM staff_credentials c, staff s"
        await connection.execute(text(f"{ids} WHERE s.email = '{EMAIL}'"))
        await connection.execute(text("UPDATE staff SET role = 'viewer'"))
    for email, status in (("olga@cinema.example", 303), (EMAIL, 401)):
        visit.world.http.cookie_jar.clear()
        answer = await visit.world.post("/sign-in", {"email": email, "password": PASSWORD})
        assert answer.status == status, email


async def test_confirming_asks_the_provider_to_have_the_person_sign_in_anew(visit: Visit, hours: Hours) -> None:
    await hire(visit, Role.ADMIN)
    assert (await visit.sign_in()).status == 303
    token = visit.cookies[SESSION]

    async def is_fresh() -> bool:
        person = await visit.world.accounts.person(token, "127.0.0.1")
        return bool(person.is_fresh(hours.now))

    assert await is_fresh()
    hours.pass_(minutes=6)
    assert not await is_fresh()
    assert "/confirm/oidc?next=" in await (await visit.world.get("/confirm?next=/staff")).text()
    visit.provider.changed = lambda claims: claims | {"auth_time": int(hours.now.timestamp()) - 300}
    assert (await visit.sign_in("/confirm/oidc?next=/staff")).status == 403, "the provider let a known browser pass"
    assert (visit.provider.asked[-1]["prompt"], visit.provider.asked[-1]["max_age"]) == ("login", "0")
    visit.provider.changed = lambda claims: {name: value for name, value in claims.items() if name != "auth_time"}
    assert (await visit.sign_in("/confirm/oidc?next=/staff")).status == 403, "it does not say when"
    visit.provider.changed = lambda claims: claims | {"auth_time": int(hours.now.timestamp()), "sub": "another"}
    assert (await visit.sign_in("/confirm/oidc?next=/staff")).status == 403, "it is somebody else"
    assert not await is_fresh()
    visit.provider.changed = lambda claims: claims | {"auth_time": int(hours.now.timestamp())}
    assert (await visit.sign_in("/confirm/oidc?next=/staff")).headers["Location"] == "/staff"
    assert await is_fresh()


async def test_one_who_signed_in_at_the_provider_long_ago_is_asked_again(visit: Visit, hours: Hours) -> None:
    await hire(visit, Role.ADMIN)
    visit.provider.changed = lambda claims: claims | {"auth_time": int(hours.now.timestamp()) - 3600}
    assert (await visit.sign_in()).status == 303
    person = await visit.world.accounts.person(visit.cookies[SESSION], "127.0.0.1")
    assert not person.is_fresh(hours.now)
