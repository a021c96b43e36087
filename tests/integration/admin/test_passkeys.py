"""Passkeys as second factor, of an authenticator in memory, with accounts in Postgres."""

import html
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.people.cookies import SESSION
from backoffice import staff
from billing.access.roles import Role
from storage.staff.attempts import ACCOUNT_MAX, ADDRESS_MAX
from tests.integration.admin.people import OPERATOR, PASSWORD, Colleague, Hours, at_work
from tests.support.soft_passkey import UP, UV, SoftPasskey
from tests.unit.admin.conftest import World, serving

POLICY = "Content-Security-Policy"


@pytest.fixture
def hours() -> Hours:
    return Hours(datetime.now(UTC))


@pytest.fixture
async def world(database: AsyncEngine, hours: Hours) -> AsyncIterator[World]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(hours, postgres_url=url, admin_url="http://localhost:{port}") as made:
        made.headers = {}
        yield made


async def options_of(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """What the page has its script ask the browser for."""
    page = await answer.text()
    assert answer.status == 200, page
    (found,) = re.findall(r'data-options="([^"]*)"', page)
    return json.loads(html.unescape(found))  # type: ignore[no-any-return]


def a_passkey(world: World) -> SoftPasskey:
    return SoftPasskey(origin=world.settings.admin_url, host="localhost")


async def added(world: World, passkey: SoftPasskey, name: str = "laptop") -> aiohttp.ClientResponse:
    options = await options_of(await world.post("/me/passkeys/new", {"name": name}))
    return await world.post("/me/passkeys", {"name": name, "credential": passkey.made(options)})


async def with_passkey(
    world: World, hours: Hours, role: Role = Role.FINANCE, name: str = "ann"
) -> tuple[Colleague, SoftPasskey]:
    """Somebody who has added a passkey, and is not signed in."""
    who, passkey = await at_work(world, hours, role, name), a_passkey(world)
    answer = await added(world, passkey)
    assert answer.headers.get("Location") == "/me?passkey", await answer.text()
    who.leave()
    return who, passkey


async def asked(who: Colleague, password: str = PASSWORD) -> aiohttp.ClientResponse:
    return await who.world.post("/sign-in?next=/me", {"email": who.email, "password": password, "with": "passkey"})


async def shown(who: Colleague, answer: str) -> aiohttp.ClientResponse:
    return await who.world.post("/sign-in/passkey?next=/me", {"credential": answer})


async def why(database: AsyncEngine) -> Any:
    """Of the last entry: its kind, of whom, and what was wrong."""
    async with database.connect() as connection:
        row = (
            await connection.execute(text("SELECT kind, who, detail FROM staff_trail ORDER BY id DESC LIMIT 1"))
        ).one()
        return row.kind, row.who, row.detail.get("why")


def is_in(world: World) -> bool:
    return any(cookie.key == SESSION for cookie in world.http.cookie_jar)


async def test_a_passkey_replaces_the_code_at_sign_in(world: World, hours: Hours, database: AsyncEngine) -> None:
    ann, passkey = await with_passkey(world, hours)
    options = await options_of(await asked(ann))
    assert options["userVerification"] == "required"
    assert options["rpId"] == "localhost"
    assert not is_in(world), "the password alone opens nothing"
    answer = await shown(ann, passkey.shown(options))
    assert answer.headers["Location"] == "/me"
    page = await (await world.get("/me")).text()
    assert "laptop" in page
    async with database.connect() as connection:
        row = (await connection.execute(text("SELECT sign_count, last_used_at FROM staff_passkeys"))).one()
    assert row.sign_count == 1
    assert row.last_used_at == hours.now
    assert await why(database) == ("sign_in", ann.email, None)


async def test_only_the_page_that_asks_may_run_a_script_and_only_of_ours(world: World, hours: Hours) -> None:
    ann, _ = await with_passkey(world, hours)
    asking = await asked(ann)
    assert asking.headers[POLICY].endswith("; script-src 'self'")
    assert "connect-src" not in asking.headers[POLICY]
    page = await asking.text()
    assert re.findall("<script[^>]*>", page) == ['<script src="/static/passkey.js" defer>']
    assert "this browser runs none" in page
    assert "script-src" not in (await world.get("/sign-in")).headers[POLICY]


async def test_a_challenge_is_good_once(world: World, hours: Hours, database: AsyncEngine) -> None:
    ann, passkey = await with_passkey(world, hours)
    options = await options_of(await asked(ann))
    assert (await shown(ann, passkey.shown(options))).status == 303
    ann.leave()
    assert (await shown(ann, passkey.shown(options))).status == 401
    assert not is_in(world)
    assert await why(database) == ("sign_in_refused", "unknown", "challenge")


async def test_a_challenge_is_used_up_by_a_wrong_answer_too(world: World, hours: Hours) -> None:
    ann, passkey = await with_passkey(world, hours)
    options = await options_of(await asked(ann))
    passkey.flags = UP
    assert (await shown(ann, passkey.shown(options))).status == 401
    passkey.flags = UP | UV
    assert (await shown(ann, passkey.shown(options))).status == 401


async def test_a_challenge_is_over_after_five_minutes(world: World, hours: Hours, database: AsyncEngine) -> None:
    ann, passkey = await with_passkey(world, hours)
    options = await options_of(await asked(ann))
    hours.pass_(minutes=5)
    assert (await shown(ann, passkey.shown(options))).status == 401
    assert (await why(database))[2] == "challenge"
    await asked(ann)
    async with database.connect() as connection:
        kept = (await connection.execute(text("SELECT count(*) FROM staff_challenges"))).scalar_one()
    assert kept == 1, "those that are over are forgotten"


async def test_a_challenge_to_confirm_signs_nobody_in(world: World, hours: Hours, database: AsyncEngine) -> None:
    ann, passkey = await with_passkey(world, hours)
    assert (await shown(ann, passkey.shown(await options_of(await asked(ann))))).status == 303
    options = await options_of(await world.post("/confirm", {"with": "passkey"}))
    ann.leave()
    assert (await shown(ann, passkey.shown(options))).status == 401
    assert (await why(database))[2] == "challenge"


CHEATS = {
    "nobody was verified": ("signature", lambda p: setattr(p, "flags", UP)),
    "nobody was there": ("signature", lambda p: setattr(p, "flags", UV)),
    "the page is of another origin": ("signature", lambda p: setattr(p, "origin", "https://billing.evil.example")),
    "the port is another": ("signature", lambda p: setattr(p, "origin", "http://localhost:1")),
    "the host is another": ("signature", lambda p: setattr(p, "host", "evil.example")),
    "the key is another": ("signature", lambda p: setattr(p, "key", ec.generate_private_key(ec.SECP256R1()))),
    "the passkey is unknown": ("passkey", lambda p: setattr(p, "id", b"another passkey")),
}


@pytest.mark.parametrize("case", CHEATS)
async def test_an_answer_is_refused_if(world: World, hours: Hours, database: AsyncEngine, case: str) -> None:
    ann, passkey = await with_passkey(world, hours)
    reason, cheat = CHEATS[case]
    options = await options_of(await asked(ann))
    cheat(passkey)
    assert (await shown(ann, passkey.shown(options))).status == 401
    assert not is_in(world)
    assert await why(database) == ("sign_in_refused", ann.email, reason)


@pytest.mark.parametrize("answer", ["", "no JSON", "{}", "[]", '{"id": "x", "rawId": "y", "response": {}}', "\ud83d"])
async def test_what_is_no_answer_is_refused(world: World, hours: Hours, database: AsyncEngine, answer: str) -> None:
    ann, _ = await with_passkey(world, hours)
    assert (await shown(ann, answer.encode("utf-8", "replace").decode())).status == 401
    assert await why(database) == ("sign_in_refused", "unknown", "answer")


async def test_a_copy_of_an_authenticator_is_found_by_its_count(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    ann, passkey = await with_passkey(world, hours)
    copy = SoftPasskey(passkey.origin, passkey.host, passkey.key, passkey.id, passkey.count)
    for _ in range(2):
        assert (await shown(ann, passkey.shown(await options_of(await asked(ann))))).status == 303
        ann.leave()
    assert (await shown(ann, copy.shown(await options_of(await asked(ann))))).status == 401
    assert not is_in(world)
    assert await why(database) == ("sign_in_refused", ann.email, "sign_count")


async def test_an_authenticator_that_does_not_count_is_accepted(world: World, hours: Hours) -> None:
    ann, passkey = await with_passkey(world, hours)
    for _ in range(2):
        answer = passkey.shown(await options_of(await asked(ann)), counts=False)
        assert (await shown(ann, answer)).status == 303
        ann.leave()


async def test_the_passkey_of_somebody_else_is_refused(world: World, hours: Hours, database: AsyncEngine) -> None:
    ann, _ = await with_passkey(world, hours)
    _, of_bob = await with_passkey(world, hours, Role.ADMIN, "bob")
    options = await options_of(await asked(ann))
    assert (await shown(ann, of_bob.shown(options))).status == 401
    assert await why(database) == ("sign_in_refused", ann.email, "passkey")


async def test_without_the_password_nothing_is_asked_for_and_nobody_learns_who_has_a_passkey(
    world: World, hours: Hours
) -> None:
    ann, _ = await with_passkey(world, hours)
    bob = await at_work(world, hours, Role.ADMIN, "bob")
    bob.leave()
    texts = set()
    for who, password in (
        (ann, "a wrong password"),
        (bob, PASSWORD),
        (Colleague(world, hours, "x@y.example", ""), "?"),
    ):
        answer = await asked(who, password)
        assert answer.status == 401
        texts.add(re.sub(r'value="[0-9a-f]{64}"', "", await answer.text()))
    assert len(texts) == 1


async def test_a_suspended_person_is_refused_between_password_and_passkey(world: World, hours: Hours) -> None:
    ann, passkey = await with_passkey(world, hours)
    options = await options_of(await asked(ann))
    await staff.suspend(world.settings, OPERATOR, ann.email)
    assert (await shown(ann, passkey.shown(options))).status == 401
    assert (await asked(ann)).status == 401


async def test_wrong_answers_block_the_account_and_right_passwords_alone_do_not(world: World, hours: Hours) -> None:
    ann, passkey = await with_passkey(world, hours)
    for _ in range(ADDRESS_MAX + 2):
        assert (await asked(ann)).status == 200
    passkey.flags = UP
    for _ in range(ACCOUNT_MAX):
        assert (await shown(ann, passkey.shown(await options_of(await asked(ann))))).status == 401
    assert (await asked(ann)).status == 429
    hours.pass_(minutes=1)
    passkey.flags = UP | UV
    assert (await shown(ann, passkey.shown(await options_of(await asked(ann))))).status == 303


async def test_a_viewer_with_a_passkey_does_not_sign_in_with_the_password_alone(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.VIEWER, code="")
    passkey = a_passkey(world)
    await added(world, passkey)
    ann.leave()
    assert (await ann.sign_in(code="")).status == 401
    assert (await shown(ann, passkey.shown(await options_of(await asked(ann))))).status == 303
    form = {
        "password": PASSWORD,
        "code": "",
        "new": "five words of a new password",
        "again": "five words of a new password",
    }
    assert (await world.post("/me/password", form)).status == 303, "the passkey was shown just now"
    hours.pass_(minutes=6)
    form["password"] = form["new"]
    assert (await world.post("/me/password", form)).status == 401


async def test_a_passkey_confirms(world: World, hours: Hours, database: AsyncEngine) -> None:
    ann, passkey = await with_passkey(world, hours, Role.ADMIN)
    assert (await shown(ann, passkey.shown(await options_of(await asked(ann))))).status == 303
    hours.pass_(minutes=6)
    assert (await world.get("/me/passkeys/new")).headers["Location"] == "/confirm?next=/me/passkeys/new"
    options = await options_of(await world.post("/confirm?next=/me", {"with": "passkey"}))
    wrong = passkey.shown(options).replace('"signature": "', '"signature": "AAAA')
    assert (await world.post("/confirm/passkey?next=/me", {"credential": wrong})).status == 401
    assert await why(database) == ("sign_in_refused", ann.email, "signature")
    assert (await world.get("/me/passkeys/new")).status == 303
    options = await options_of(await world.post("/confirm?next=/me", {"with": "passkey"}))
    answer = await world.post("/confirm/passkey?next=//evil.example", {"credential": passkey.shown(options)})
    assert answer.headers["Location"] == "/"
    assert (await world.get("/me/passkeys/new")).status == 200


async def test_nothing_is_added_or_removed_without_a_fresh_confirmation(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    ann, passkey = await with_passkey(world, hours)
    assert (await shown(ann, passkey.shown(await options_of(await asked(ann))))).status == 303
    options = await options_of(await world.post("/me/passkeys/new", {"name": "phone"}))
    async with database.connect() as connection:
        id = (await connection.execute(text("SELECT id FROM staff_passkeys"))).scalar_one()
    hours.pass_(minutes=6)
    for path in ("/me/passkeys/new", f"/me/passkeys/{id}/remove"):
        assert (await world.get(path)).headers["Location"].startswith("/confirm")
        assert (await world.post(path, {"name": "phone"})).headers["Location"].startswith("/confirm")
    answer = await world.post("/me/passkeys", {"name": "phone", "credential": a_passkey(world).made(options)})
    assert answer.headers["Location"].startswith("/confirm")
    async with database.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM staff_passkeys"))).scalar_one() == 1


@pytest.mark.parametrize("name", ["", "x" * 61, "two\nlines"])
async def test_a_passkey_has_a_name(world: World, hours: Hours, name: str) -> None:
    await at_work(world, hours, Role.FINANCE)
    assert (await world.post("/me/passkeys/new", {"name": name})).status == 422


async def test_a_passkey_whose_person_was_not_verified_is_not_added(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    await at_work(world, hours, Role.FINANCE)
    passkey = a_passkey(world)
    passkey.flags = UP
    assert (await added(world, passkey)).status == 401
    passkey.flags, passkey.origin = UP | UV, "https://evil.example"
    assert (await added(world, passkey)).status == 401
    passkey.origin = world.settings.admin_url
    assert (await added(world, passkey)).status == 303
    assert (await added(world, passkey)).status == 401, "it is known already"
    async with database.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM staff_passkeys"))).scalar_one() == 1


async def test_several_passkeys_are_removed_but_the_last_factor_is_not(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    ann = await at_work(world, hours, Role.FINANCE)
    assert (await added(world, a_passkey(world), "laptop")).status == 303
    assert (await added(world, a_passkey(world), "phone")).status == 303
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM staff_credentials WHERE kind = 'totp'"))
        ids = list((await connection.execute(text("SELECT id FROM staff_passkeys ORDER BY created_at"))).scalars())
    assert (await world.post(f"/me/passkeys/{ids[0]}/remove")).status == 303
    refused = await world.post(f"/me/passkeys/{ids[1]}/remove")
    assert refused.status == 409
    assert "only second factor" in await refused.text()
    async with database.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM staff_passkeys"))).scalar_one() == 1
        await connection.execute(text("UPDATE staff SET role = 'viewer'"))
    bob = await at_work(world, hours, Role.ADMIN, "bob")
    assert (await world.get(f"/me/passkeys/{ids[1]}/remove")).status == 404, "it is not bob's"
    assert (await world.post(f"/me/passkeys/{ids[1]}/remove")).status == 303
    async with database.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM staff_passkeys"))).scalar_one() == 1
    assert ann.email != bob.email


async def test_a_new_link_removes_the_passkeys_which_may_be_on_the_phone_that_is_lost(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    ann, _ = await with_passkey(world, hours)
    issued = await staff.link(world.settings, OPERATOR, ann.email)
    ann.link = issued.url.removeprefix(world.settings.admin_url)
    assert (await ann.accept()).status == 303
    async with database.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM staff_passkeys"))).scalar_one() == 0


async def test_pages_at_an_address_have_no_passkeys(database: AsyncEngine, hours: Hours) -> None:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(hours, postgres_url=url, admin_url="http://127.0.0.1:{port}") as world:
        world.headers = {}
        await at_work(world, hours, Role.FINANCE)
        assert "BILLING_ADMIN_URL" in await (await world.get("/me")).text()
        assert (await world.post("/me/passkeys/new", {"name": "laptop"})).status == 404
        world.http.cookie_jar.clear()
        assert "passkey" not in await (await world.get("/sign-in")).text()
