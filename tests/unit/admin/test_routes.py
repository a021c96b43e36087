"""Every route of a page, asked by every role; forms that are not ours; what a GET may do."""

import re
from collections.abc import Iterator
from typing import Final

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from admin.pages.route import OpenRoute, PageRoute, guard_of
from admin.people.cookies import FORM, SESSION
from admin.people.forms import form_token, is_genuine
from admin.people.permissions import MATRIX, Permission
from billing.access.roles import Role
from storage.staff.trail import Kind
from tests.support.factories import NOW
from tests.unit.admin.conftest import World

#: Every route of a page with its permission. A new page is listed here, or the test fails.
ROUTES: Final = {
    ("GET", "/"): Permission.OWN_ACCOUNT,
    ("GET", "/confirm"): Permission.OWN_ACCOUNT,
    ("POST", "/confirm"): Permission.OWN_ACCOUNT,
    ("GET", "/confirm/oidc"): Permission.OWN_ACCOUNT,
    ("POST", "/confirm/passkey"): Permission.OWN_ACCOUNT,
    ("GET", "/me"): Permission.OWN_ACCOUNT,
    ("POST", "/me/passkeys"): Permission.OWN_ACCOUNT,
    ("GET", "/me/passkeys/new"): Permission.OWN_ACCOUNT,
    ("POST", "/me/passkeys/new"): Permission.OWN_ACCOUNT,
    ("GET", "/me/passkeys/{id}/remove"): Permission.OWN_ACCOUNT,
    ("POST", "/me/passkeys/{id}/remove"): Permission.OWN_ACCOUNT,
    ("POST", "/me/password"): Permission.OWN_ACCOUNT,
    ("POST", "/me/preferences"): Permission.OWN_ACCOUNT,
    ("POST", "/me/sessions/end-others"): Permission.OWN_ACCOUNT,
    ("POST", "/me/sessions/{id}/end"): Permission.OWN_ACCOUNT,
    ("GET", "/payments"): Permission.READ,
    ("GET", "/payments/{payment_id}"): Permission.READ,
    ("GET", "/payments/{payment_id}/changes"): Permission.READ,
    **{
        (method, f"/payments/{{payment_id}}/{action}{step}"): permission
        for action, permission in (
            ("capture", Permission.MOVE_MONEY),
            ("void", Permission.MOVE_MONEY),
            ("refund", Permission.MOVE_MONEY),
            ("ask", Permission.ASK),
            ("note", Permission.ASK),
            ("redrive", Permission.ASK),
            ("block", Permission.REFUND_ABOVE),
            ("amend", Permission.REFUND_ABOVE),
            ("correct", Permission.CORRECT),
        )
        for method, step in (("GET", ""), ("POST", "/preview"), ("POST", "/confirm"))
    },
    ("GET", "/subscriptions/{subscription_id}"): Permission.READ,
    **{
        (method, f"/subscriptions/{{subscription_id}}/{action}{step}"): permission
        for action, permission in (
            ("cancel", Permission.SUBSCRIPTIONS),
            ("end", Permission.SUBSCRIPTIONS),
            ("keep", Permission.SUBSCRIPTIONS),
            ("pay", Permission.SUBSCRIPTIONS),
            ("extend", Permission.EXTEND),
        )
        for method, step in (("GET", ""), ("POST", "/preview"), ("POST", "/confirm"))
    },
    ("GET", "/customers/{customer_id:path}"): Permission.READ,
    ("POST", "/contacts/reveal"): Permission.REVEAL,
    ("POST", "/notes/add"): Permission.ASK,
    ("GET", "/approvals"): Permission.READ,
    ("GET", "/approvals/{id}"): Permission.READ,
    ("POST", "/approvals/{id}/approve"): Permission.APPROVE,
    ("POST", "/approvals/{id}/refuse"): Permission.APPROVE,
    ("POST", "/approvals/{id}/send"): Permission.APPROVE,
    ("GET", "/bulk"): Permission.BULK,
    ("POST", "/bulk"): Permission.BULK,
    ("GET", "/bulk/{id}"): Permission.BULK,
    ("GET", "/bulk/{id}/result.csv"): Permission.BULK,
    ("POST", "/bulk/{id}/check"): Permission.BULK,
    ("POST", "/bulk/{id}/ask"): Permission.BULK,
    ("POST", "/bulk/{id}/approve"): Permission.APPROVE,
    ("POST", "/bulk/{id}/refuse"): Permission.APPROVE,
    ("POST", "/bulk/{id}/start"): Permission.BULK,
    ("POST", "/bulk/{id}/pause"): Permission.BULK,
    ("POST", "/bulk/{id}/resume"): Permission.BULK,
    ("POST", "/bulk/{id}/stop"): Permission.BULK,
    ("GET", "/letters"): Permission.LETTERS,
    ("GET", "/letters/{id}"): Permission.LETTERS,
    ("POST", "/letters/{id}/replay"): Permission.LETTERS,
    ("POST", "/letters/{id}/discard"): Permission.DISCARD,
    ("GET", "/providers"): Permission.PROVIDERS,
    ("POST", "/providers/{name}/off"): Permission.SWITCH,
    ("POST", "/providers/{name}/on"): Permission.SWITCH,
    ("GET", "/keys"): Permission.KEYS,
    **{
        (method, f"/keys/{step}"): Permission.KEYS
        for step in ("new", "{id}/rotate", "{id}/revoke")
        for method in ("GET", "POST")
    },
    ("GET", "/clearing"): Permission.CLEARING,
    ("GET", "/clearing/{provider}/{day}"): Permission.CLEARING,
    ("GET", "/clearing/books"): Permission.CLEARING,
    ("GET", "/clearing/books/changes"): Permission.CLEARING,
    **{(method, "/clearing/books/{day}/close"): Permission.CLOSE_DAYS for method in ("GET", "POST")},
    ("GET", "/clearing/{provider}/{day}/changes"): Permission.CLEARING,
    **{
        (method, f"/clearing/{{provider}}/{{day}}/{action}"): Permission.RUN_CLEARING
        for action in ("run", "believe")
        for method in ("GET", "POST")
    },
    ("GET", "/clearing/{provider}/{day}/report.csv"): Permission.CLEARING,
    ("GET", "/clearing/{provider}/{day}/report.html"): Permission.CLEARING,
    ("GET", "/discrepancies"): Permission.DISCREPANCIES,
    ("GET", "/discrepancies/{id}"): Permission.DISCREPANCIES,
    ("POST", "/discrepancies/{id}/claim"): Permission.DECIDE,
    ("POST", "/discrepancies/{id}/reopen"): Permission.DECIDE,
    ("POST", "/discrepancies/{id}/resolve"): Permission.DECIDE,
    ("GET", "/reports"): Permission.REPORTS,
    ("GET", "/reports/{name}"): Permission.REPORTS,
    ("GET", "/reports/{name}.csv"): Permission.REPORTS,
    ("GET", "/reports/{name}.svg"): Permission.REPORTS,
    ("POST", "/sign-out"): Permission.OWN_ACCOUNT,
    ("GET", "/staff"): Permission.STAFF,
    ("GET", "/monitor"): Permission.MONITOR,
    ("GET", "/monitor/alerts/{id}"): Permission.MONITOR,
    ("POST", "/monitor/alerts/{id}/acknowledge"): Permission.ACKNOWLEDGE,
    ("GET", "/trail"): Permission.TRAIL,
}
#: Those for people who are not signed in.
OPEN: Final = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/sign-in/oidc"),
    ("GET", "/sign-in/oidc/back"),
    ("POST", "/sign-in/passkey"),
    ("GET", "/welcome/{link}"),
    ("POST", "/welcome/{link}"),
}
#: For programs: they send keys, or there is nothing to keep from anybody.
PROGRAMS: Final = ("/v1/", "/livez", "/readyz", "/problems/", "/openapi.json", "/static")
FORMS: Final = [path for method, path in ROUTES if method == "POST"]


def routes_of(routes: list[BaseRoute]) -> Iterator[BaseRoute]:
    """Routes, also of the routers that were included."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from routes_of(included.routes)


def pages(app: FastAPI) -> list[PageRoute]:
    return [route for route in routes_of(app.routes) if isinstance(route, PageRoute)]


def concrete(path: str) -> str:
    has_uuid = path.startswith(("/me/passkeys", "/payments", "/subscriptions", "/approvals", "/bulk", "/discrepancies"))
    id = "0b08858d-7b63-4ffe-8645-4f1d16c5a9ea" if has_uuid else "0123456789abcdef"
    for field, value in (
        ("payment_id", id),
        ("subscription_id", id),
        ("customer_id:path", "c-17"),
        ("id", id),
        ("name", "funnel"),
        ("provider", "stripe"),
        ("day", "2026-11-20"),
    ):
        path = path.replace(f"{{{field}}}", value)
    return path


def test_every_page_is_listed_with_its_permission(app: FastAPI) -> None:
    found = {(method, route.path): guard_of(route) for route in pages(app) for method in route.methods}
    admitted = {at: guard.permission for at, guard in found.items() if guard is not None}
    assert admitted == ROUTES
    assert {at for at, guard in found.items() if guard is None} == OPEN


def test_what_is_no_page_is_for_programs(app: FastAPI) -> None:
    others = [route for route in routes_of(app.routes) if not isinstance(route, PageRoute)]
    assert [path for route in others if not (path := route.path).startswith(PROGRAMS)] == []  # type: ignore[attr-defined]


def test_a_page_without_a_permission_does_not_come_into_being() -> None:
    async def show() -> None: ...

    with pytest.raises(AssertionError, match="says who may see it"):
        PageRoute("/secret", show)
    assert isinstance(OpenRoute("/open", show), APIRoute)


def test_every_permission_has_roles_and_an_administrator_has_all() -> None:
    assert set(MATRIX) == set(Permission)
    assert all(Role.ADMIN in roles for roles in MATRIX.values())


@pytest.mark.parametrize("role", Role)
async def test_every_route_admits_exactly_the_roles_of_its_permission(world: World, role: Role) -> None:
    world.headers = {}
    for (method, path), permission in ROUTES.items():
        world.http.cookie_jar.clear()
        await world.sign_in(role)
        world.trail.entries.clear()
        url = concrete(path)
        answer = await (world.get(url) if method == "GET" else world.post(url))
        refused = [entry for entry in world.trail.entries if entry.kind is Kind.REFUSED]
        if role in MATRIX[permission]:
            assert answer.status != 403, (method, path)
            assert refused == [], (method, path)
        else:
            assert answer.status == 403, (method, path)
            assert [entry.subject_id for entry in refused] == [f"{method} {path}"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_passes_without_a_session(world: World, method: str, path: str) -> None:
    world.headers = {}
    answer = await world.http.request(
        method, world.url + concrete(path), headers={"Cookie": f"{SESSION}=guessed"}, allow_redirects=False
    )
    assert answer.status == 303
    assert answer.headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_without_the_token_of_this_path_and_session_is_refused(world: World, path: str) -> None:
    world.headers = {}
    await world.sign_in(Role.ADMIN)
    url = concrete(path)
    another = world.accounts.open(Role.ADMIN)
    now = world.accounts.clock()
    own = {cookie.key: cookie.value for cookie in world.http.cookie_jar}[SESSION]
    for token in ("", "guessed", form_token(another, url, now), form_token(own, "/another-form", now)):
        answer = await world.http.post(world.url + url, data={"form_token": token}, allow_redirects=False)
        assert answer.status == 403, token
    assert len(world.trail.entries) == 4
    assert len(world.accounts.roles) == 2, "nobody was signed out"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
    ],
)
async def test_a_form_that_another_site_sends_is_refused_even_with_the_token(
    world: World, headers: dict[str, str]
) -> None:
    await world.sign_in()
    answer = await world.post("/sign-out", **headers)
    assert answer.status == 403
    assert len(world.accounts.roles) == 1


async def test_a_form_of_our_own_page_is_accepted(world: World) -> None:
    await world.sign_in()
    headers = {"Origin": world.url, "Sec-Fetch-Site": "same-origin"}
    assert (await world.post("/sign-out", **headers)).status == 303
    assert world.accounts.roles == {}


@pytest.mark.parametrize("path", ["/sign-in", "/welcome/guessed"])
async def test_forms_before_signing_in_have_a_token_too(world: World, path: str) -> None:
    answer = await world.http.post(world.url + path, data={"email": "a@cinema.example"}, allow_redirects=False)
    assert answer.status == 403
    elsewhere = form_token("another browser's", path, world.accounts.clock())
    cookie = {"Cookie": f"{FORM}=this-browser's"}
    answer = await world.http.post(
        world.url + path, data={"form_token": elsewhere}, headers=cookie, allow_redirects=False
    )
    assert answer.status == 403


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.FINANCE, 400)])
async def test_a_file_is_read_only_of_those_who_may_send_one(world: World, role: Role, status: int) -> None:
    await world.sign_in(role)
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await world.http.post(f"{world.url}/bulk", data=b"no form", headers=broken, allow_redirects=False)
    assert answer.status == status


@pytest.mark.parametrize("path", FORMS)
async def test_a_get_does_nothing(world: World, path: str) -> None:
    await world.sign_in(Role.ADMIN)
    if ("GET", path) not in ROUTES:
        assert (await world.get(concrete(path))).status == 405
    assert len(world.accounts.roles) == 1


def test_a_token_is_good_for_an_hour_at_least_and_two_at_most() -> None:
    at = NOW.replace(minute=59)
    token = form_token("secret", "/me", at)
    assert is_genuine("secret", "/me", token, at.replace(hour=at.hour + 1))
    assert not is_genuine("secret", "/me", token, at.replace(hour=at.hour + 2, minute=0))
    assert not is_genuine("another", "/me", token, at)
    assert not is_genuine("secret", "/me/password", token, at)


async def test_every_form_on_a_page_has_the_token_of_its_action(world: World) -> None:
    world.headers = {}
    await world.sign_in(Role.ADMIN)
    page = await (await world.get("/staff")).text()
    forms = re.findall(r'<form method="post" action="([^"?]*)[^>]*>(?:\s*)<input type="hidden" name="form_token"', page)
    assert len(forms) == page.count('method="post"') >= 1
