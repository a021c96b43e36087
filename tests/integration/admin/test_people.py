"""Signing in, sessions, and a person's own credentials, with accounts in Postgres."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.people.authenticator import secret_of_link
from admin.people.cookies import FORM, SESSION
from admin.people.forms import form_token
from admin.people.vault import Vault
from backoffice import staff
from backoffice.operators import ActionRefused, InvalidArgument
from billing.access.roles import Role
from storage.staff.attempts import ACCOUNT_MAX, ADDRESS_MAX
from tests.integration.admin.people import OPERATOR, PASSWORD, Colleague, Hours, at_work, hired
from tests.unit.admin.conftest import World, serving


@pytest.fixture
def hours() -> Hours:
    return Hours(datetime.now(UTC))


@pytest.fixture
async def world(database: AsyncEngine, hours: Hours) -> AsyncIterator[World]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(hours, postgres_url=url) as made:
        made.headers = {}
        yield made


async def trail_of(database: AsyncEngine) -> list[Any]:
    async with database.connect() as connection:
        rows = await connection.execute(text("SELECT kind, who, subject_id, detail FROM staff_trail ORDER BY id"))
        return list(rows)


async def kinds(database: AsyncEngine) -> list[str]:
    return [row.kind for row in await trail_of(database)]


async def test_a_new_person_chooses_a_password_sets_up_an_authenticator_and_is_signed_in(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    ann = await hired(world, hours, Role.FINANCE)
    page = await (await world.get(ann.link)).text()
    assert "Welcome, Ann" in page
    assert "<svg" in page
    assert (await ann.accept()).headers["Location"] == "/"
    assert (await world.get("/reports")).status == 200
    assert await kinds(database) == ["staff", "credential"]
    assert (await world.get(ann.link)).status == 410, "a link is good once"
    assert (await ann.accept()).status == 410


async def test_a_link_is_over_after_an_hour_and_when_a_new_one_is_made(world: World, hours: Hours) -> None:
    ann = await hired(world, hours, Role.ADMIN)
    newer = await staff.link(world.settings, OPERATOR, ann.email)
    assert (await world.get(ann.link)).status == 410
    assert (await world.get(newer.url)).status == 200
    hours.pass_(hours=1, minutes=1)
    assert (await world.get(newer.url)).status == 410
    assert (await world.get("/welcome/guessed")).status == 410


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE, Role.ADMIN])
async def test_every_role_but_viewer_needs_an_authenticator(world: World, hours: Hours, role: Role) -> None:
    ann = await hired(world, hours, role)
    for code in ("", "000000"):
        assert (await ann.accept(code=code)).status == 422
    assert (await ann.accept()).status == 303


async def test_a_viewer_may_have_none_and_needs_one_in_another_role(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.VIEWER, code="")
    ann.leave()
    assert (await ann.sign_in(code="")).status == 303
    issued = await staff.set_role(world.settings, OPERATOR, ann.email, Role.SUPPORT)
    assert issued is not None
    assert (await world.get("/me")).status == 303, "a new role ends the sessions"
    ann.leave()
    assert (await ann.sign_in(code="")).status == 401


@pytest.mark.parametrize("password", ["short", "ann@cinema.example", "aaaaaaaaaaaaaaaaaaa", "x" * 300])
async def test_a_password_that_is_too_easy_or_too_long_is_refused(world: World, hours: Hours, password: str) -> None:
    ann = await hired(world, hours, Role.FINANCE)
    assert (await ann.accept(password=password, again=password)).status == 422
    assert (await ann.accept(again="another password than this")).status == 422
    assert (await ann.accept()).status == 303


async def test_password_and_code_must_both_be_right_and_a_code_is_good_once(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    ann = await at_work(world, hours, Role.FINANCE)
    ann.leave()
    assert (await ann.sign_in()).status == 401, "the code of the welcome page was used"
    hours.pass_(minutes=2)
    assert (await ann.sign_in(password="another password")).status == 401
    assert (await ann.sign_in(code="")).status == 401
    assert (await ann.sign_in()).status == 303
    ann.leave()
    assert (await ann.sign_in()).status == 401
    assert await kinds(database) == ["staff", "credential", *["sign_in_refused"] * 3, "sign_in", "sign_in_refused"]


async def test_of_two_sign_ins_with_one_code_at_the_same_time_one_succeeds(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.FINANCE)
    ann.leave()
    hours.pass_(minutes=2)
    await world.token_of("/sign-in")
    answers = await asyncio.gather(ann.sign_in(), ann.sign_in())
    assert sorted(answer.status for answer in answers) == [303, 401]


async def test_a_person_who_is_suspended_is_out_at_once_and_let_in_again(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.FINANCE)
    await staff.suspend(world.settings, OPERATOR, ann.email)
    assert (await world.get("/reports")).status == 303
    ann.leave()
    hours.pass_(minutes=2)
    assert (await ann.sign_in()).status == 401
    with pytest.raises(ActionRefused):
        await staff.link(world.settings, OPERATOR, ann.email)
    await staff.restore(world.settings, OPERATOR, ann.email)
    hours.pass_(minutes=2)
    assert (await ann.sign_in()).status == 303


async def test_a_link_of_a_suspended_person_lets_nobody_in(world: World, hours: Hours, database: AsyncEngine) -> None:
    ann = await hired(world, hours, Role.FINANCE)
    async with database.begin() as connection:  # suspended, and the link still there
        await connection.execute(text("UPDATE staff SET suspended_at = now()"))
    assert (await ann.accept()).status == 410


async def test_a_role_is_read_at_each_request(world: World, hours: Hours, database: AsyncEngine) -> None:
    await at_work(world, hours, Role.FINANCE)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE staff SET role = 'support'"))
    assert (await world.get("/reports")).status == 403


@pytest.mark.parametrize(("role", "minutes"), [(Role.FINANCE, 15), (Role.ADMIN, 15), (Role.VIEWER, 30)])
async def test_a_session_ends_without_use(world: World, hours: Hours, role: Role, minutes: int) -> None:
    await at_work(world, hours, role)
    for _ in range(3):
        hours.pass_(minutes=minutes - 1)
        assert (await world.get("/me")).status == 200, "each use begins the time again"
    hours.pass_(minutes=minutes)
    assert (await world.get("/me")).status == 303


async def test_a_page_that_was_left_open_does_not_keep_its_session_open(world: World, hours: Hours) -> None:
    await at_work(world, hours, Role.FINANCE)
    world.headers = {"HX-Request": "true"}
    hours.pass_(minutes=14)
    assert (await world.get("/monitor")).status == 200
    hours.pass_(minutes=1)
    assert (await world.get("/monitor")).headers["HX-Refresh"] == "true"


async def test_a_session_ends_after_half_a_day_however_it_is_used(world: World, hours: Hours) -> None:
    await at_work(world, hours, Role.VIEWER)
    for _ in range(12 * 3 - 1):
        hours.pass_(minutes=20)
        assert (await world.get("/me")).status == 200
    hours.pass_(minutes=20)
    assert (await world.get("/me")).status == 303


async def test_people_see_and_end_their_own_sessions_and_nobody_elses(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.VIEWER, code="")
    first = ann.leave()
    await ann.sign_in(code="")
    page = await (await world.get("/me")).text()
    (other,) = re.findall(r"/me/sessions/([0-9a-f]{16})/end", re.sub(r'value="[^"]*"', "", page))
    second = ann.leave()
    bob = await at_work(world, hours, Role.ADMIN, "bob")
    assert (await world.post(f"/me/sessions/{other}/end")).status == 303
    bob.leave()
    assert (await world.get("/me", Cookie=f"{SESSION}={first}")).status == 200, "bob cannot end it by its id"
    headers = {"Cookie": f"{SESSION}={second}"}
    form = {"form_token": form_token(second, f"/me/sessions/{other}/end", hours.now)}
    await world.http.post(f"{world.url}/me/sessions/{other}/end", data=form, headers=headers, allow_redirects=False)
    assert (await world.get("/me", Cookie=f"{SESSION}={first}")).status == 303
    assert (await world.get("/me", Cookie=f"{SESSION}={second}")).status == 200


async def test_signing_out_and_ending_all_others(world: World, hours: Hours, database: AsyncEngine) -> None:
    ann = await at_work(world, hours, Role.VIEWER, code="")
    first = ann.leave()
    await ann.sign_in(code="")
    assert (await world.post("/me/sessions/end-others")).status == 303
    assert (await world.get("/me")).status == 200
    second = ann.leave()
    assert (await world.get("/me", Cookie=f"{SESSION}={first}")).status == 303
    await ann.sign_in(code="")
    await world.post("/sign-out")
    assert (await world.get("/me", Cookie=f"{SESSION}={second}")).status == 200
    assert (await kinds(database))[-1] == "sign_out"


async def test_a_new_password_ends_all_other_sessions_and_the_old_one_is_needed(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.FINANCE)
    first = ann.leave()
    hours.pass_(minutes=2)
    await ann.sign_in()
    new = {"new": "five words of a new password", "again": "five words of a new password"}
    hours.pass_(minutes=2)
    wrong = await world.post("/me/password", {"password": "wrong", "code": ann.code, **new})
    assert wrong.status == 401
    right = await world.post("/me/password", {"password": PASSWORD, "code": ann.code, **new})
    assert right.headers["Location"] == "/me?changed"
    assert (await world.get("/me")).status == 200
    ann.leave()
    assert (await world.get("/me", Cookie=f"{SESSION}={first}")).status == 303
    hours.pass_(minutes=2)
    assert (await ann.sign_in()).status == 401
    assert (await ann.sign_in(password=new["new"])).status == 303


async def test_a_session_that_was_there_before_signing_in_is_not_taken_over(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.VIEWER, code="")
    ann.leave()
    planted = "a-token-that-somebody-else-knows"
    secret = "a-form-secret-that-somebody-else-knows"
    form = {"email": ann.email, "password": PASSWORD, "form_token": form_token(secret, "/sign-in", hours.now)}
    headers = {"Cookie": f"{SESSION}={planted}; {FORM}={secret}"}
    answer = await world.http.post(f"{world.url}/sign-in", data=form, headers=headers, allow_redirects=False)
    assert answer.status == 303
    assert answer.cookies[SESSION].value not in (planted, secret)
    world.http.cookie_jar.clear()
    assert (await world.get("/me", Cookie=f"{SESSION}={planted}")).status == 303
    assert (await world.get("/me", Cookie=f"{SESSION}={answer.cookies[SESSION].value}")).status == 200


async def test_the_database_has_no_token_and_no_password(world: World, hours: Hours, database: AsyncEngine) -> None:
    ann = await at_work(world, hours, Role.FINANCE)
    token = ann.leave()
    async with database.connect() as connection:
        for table in ("staff", "staff_credentials", "staff_links", "staff_sessions", "staff_trail"):
            for row in await connection.execute(text(f"SELECT * FROM {table}")):
                kept = " ".join(repr(bytes(v) if isinstance(v, memoryview) else v) for v in row)
                assert token not in kept
                assert PASSWORD not in kept
                assert ann.link.rpartition("/")[2] not in kept


async def test_secrets_of_authenticators_are_encrypted_and_keys_replaced_as_people_sign_in(
    database: AsyncEngine, hours: Hours
) -> None:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    old, new = (Fernet.generate_key().decode() for _ in range(2))

    async def stored() -> bytes:
        async with database.connect() as connection:
            query = text("SELECT data FROM staff_credentials WHERE kind = 'totp'")
            return bytes((await connection.execute(query)).scalar_one())

    async with serving(hours, postgres_url=url) as world:
        ann = await at_work(world, hours, Role.FINANCE)
        assert await stored() == secret_of_link(ann.link.rpartition("/")[2])
    for keys in ([old], [new, old], [new]):
        hours.pass_(minutes=2)
        async with serving(hours, postgres_url=url, admin_secret_keys=keys) as ann.world:
            assert (await ann.sign_in()).status == 303
            hours.pass_(minutes=2)
            assert (await ann.world.post("/confirm", {"code": ann.code})).status == 303
        assert Vault(keys[:1]).open(await stored()) == secret_of_link(ann.link.rpartition("/")[2])
    hours.pass_(minutes=2)
    async with serving(hours, postgres_url=url, admin_secret_keys=[old]) as ann.world:
        assert (await ann.sign_in()).status == 401, "no key opens the secret"
    async with serving(hours, postgres_url=url, admin_secret_keys=[new]) as world:
        bob = await at_work(world, hours, Role.ADMIN, "bob")
    async with database.connect() as connection:
        for row in await connection.execute(text("SELECT data FROM staff_credentials WHERE kind = 'totp'")):
            assert secret_of_link(bob.link.rpartition("/")[2]) != bytes(row.data)


async def failed(ann: Colleague, times: int = ACCOUNT_MAX, **fields: str) -> None:
    for _ in range(times):
        assert (await ann.sign_in(password="a wrong password", **fields)).status == 401


async def test_after_five_failures_an_account_is_blocked_for_a_minute_then_for_longer(
    world: World, hours: Hours
) -> None:
    ann = await at_work(world, hours, Role.VIEWER, code="")
    ann.leave()
    await failed(ann, code="")
    refused = await ann.sign_in(code="")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
    hours.pass_(minutes=1)
    await failed(ann, 1, code="")
    assert (await ann.sign_in(code="")).headers["Retry-After"] == "120"
    hours.pass_(minutes=2)
    assert (await ann.sign_in(code="")).status == 303
    ann.leave()
    await failed(ann, 4, code="")
    assert (await ann.sign_in(code="")).status == 303, "a success forgets the failures of the account"


async def test_blocks_end_within_the_hour(world: World, hours: Hours) -> None:
    ann = await hired(world, hours, Role.FINANCE)
    await failed(ann)
    waited = []
    for _ in range(8):
        refused = await ann.sign_in()
        waited.append(int(refused.headers["Retry-After"]))
        hours.pass_(seconds=waited[-1])
        await failed(ann, 1)
    assert waited == [60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_an_address_that_tries_many_accounts_is_blocked(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.VIEWER, code="")
    ann.leave()
    for number in range(ADDRESS_MAX):
        assert (await ann.sign_in(email=f"guess-{number}@cinema.example", code="")).status == 401
    assert (await ann.sign_in(code="")).status == 429


async def test_one_who_can_sign_in_does_not_clear_the_address_of_failures(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.VIEWER, code="")
    ann.leave()
    for number in range(ADDRESS_MAX - 1):
        await ann.sign_in(email=f"guess-{number}@cinema.example", code="")
    assert (await ann.sign_in(code="")).status == 303
    ann.leave()
    assert (await ann.sign_in(email="guess@cinema.example", code="")).status == 401
    assert (await ann.sign_in(code="")).status == 429


async def test_of_many_guesses_at_the_same_time_no_more_than_five_are_judged(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.VIEWER, code="")
    ann.leave()
    await world.token_of("/sign-in")
    answers = await asyncio.gather(*(ann.sign_in(password=f"a guess {n}", code="") for n in range(20)))
    assert sorted(answer.status for answer in answers) == [401] * ACCOUNT_MAX + [429] * (20 - ACCOUNT_MAX)


async def test_an_account_that_there_is_not_gets_the_same_answers_in_the_same_time(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    ann = await at_work(world, hours, Role.FINANCE)
    ann.leave()
    await world.token_of("/sign-in")
    took: dict[str, list[float]] = {ann.email: [], "nobody@cinema.example": []}
    texts: dict[str, set[str]] = {email: set() for email in took}
    for _ in range(4):
        for email, times in took.items():
            begun = perf_counter()
            answer = await ann.sign_in(email=email, password="a wrong password")
            texts[email].add(await answer.text())
            times.append(perf_counter() - begun)
            assert answer.status == 401
        async with database.begin() as connection:
            await connection.execute(text("DELETE FROM sign_in_attempts"))
    known, unknown = took.values()
    assert texts[ann.email] == texts["nobody@cinema.example"]
    assert 0.5 < median(unknown) / median(known) < 2
    whos = {row.who for row in await trail_of(database) if row.kind == "sign_in_refused"}
    assert whos == {ann.email, "unknown"}, "what was typed may be a password"


async def test_nobody_is_let_in_while_attempts_cannot_be_recorded(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    ann = await at_work(world, hours, Role.VIEWER, code="")
    ann.leave()
    await world.token_of("/sign-in")
    async with database.begin() as connection:
        await connection.execute(text("DROP TABLE staff_trail"))
    assert (await ann.sign_in(code="")).status == 503
    async with database.connect() as connection:
        count = "SELECT count(*) FROM staff_sessions WHERE ended_at IS NULL"
        assert (await connection.execute(text(count))).scalar_one() == 1, "only that of the welcome page"


async def test_what_operators_change_is_on_the_trail_and_on_their_record(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    ann = await hired(world, hours, Role.FINANCE)
    await staff.set_role(world.settings, OPERATOR, ann.email, Role.ADMIN)
    await staff.suspend(world.settings, OPERATOR, ann.email)
    rows = await trail_of(database)
    assert [(row.who, row.subject_id, row.detail["action"]) for row in rows] == [
        ("operator:root", ann.email, "add_staff"),
        ("operator:root", ann.email, "set_staff_role"),
        ("operator:root", ann.email, "suspend_staff"),
    ]
    async with database.connect() as connection:
        actions = await connection.execute(text("SELECT action, outcome FROM operator_actions ORDER BY id"))
        assert [tuple(row) for row in actions] == [
            ("add_staff", "done"), ("set_staff_role", "done"), ("suspend_staff", "done")
        ]  # fmt: skip


async def test_an_address_has_one_account_whatever_its_case(world: World, hours: Hours) -> None:
    await hired(world, hours, Role.FINANCE)
    with pytest.raises(ActionRefused, match="on the staff already"):
        await staff.add(world.settings, OPERATOR, "Ann@Cinema.Example", "Ann", Role.VIEWER)
    with pytest.raises(InvalidArgument):
        await staff.add(world.settings, OPERATOR, "no address", "Ann", Role.VIEWER)
    with pytest.raises(InvalidArgument):
        await staff.add(world.settings, OPERATOR, "bob@cinema.example", " ", Role.VIEWER)
    with pytest.raises(ActionRefused, match="not on the staff"):
        await staff.suspend(world.settings, OPERATOR, "nobody@cinema.example")


async def test_the_second_factor_is_asked_for_again_after_five_minutes(world: World, hours: Hours) -> None:
    ann = await at_work(world, hours, Role.ADMIN)
    hours.pass_(minutes=6)
    assert (await world.post("/confirm?next=/staff", {"code": "000000"})).status == 401
    token = {cookie.key: cookie.value for cookie in world.http.cookie_jar}[SESSION]
    person = await world.accounts.person(token, "127.0.0.1")
    assert person is not None
    assert not person.is_fresh(hours.now)
    assert (await world.post("/confirm?next=/staff", {"code": ann.code})).headers["Location"] == "/staff"
    person = await world.accounts.person(token, "127.0.0.1")
    assert person.is_fresh(hours.now)
    assert not person.is_fresh(hours.now + timedelta(minutes=5))
