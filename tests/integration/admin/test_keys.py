"""API keys in the panel: seen, issued and revoked by administrators, a key shown once."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.access.roles import Role
from storage.access.key_ring import digest_of
from storage.staff.trail import Kind
from tests.support.panel import Panel
from tests.unit.admin.conftest import serving

KEY = re.compile(r"bk_[0-9a-f]{12}_[\w-]{20,}")
ROTATE = re.compile(r'href="/keys/([0-9a-f]{12})/rotate"')
NEW = {"client": "shop", "scope": "payments:read", "reason": "a new shop"}


@pytest.fixture
async def panel(database, stack) -> AsyncIterator[Panel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = Panel(world, database)
        world.accounts.person = panel.person
        panel.become("adam", Role.ADMIN)
        yield panel


async def created(panel: Panel, **fields: str) -> str:
    answer = await panel.world.post("/keys/new", NEW | fields)
    page = await answer.text()
    assert answer.status == 200, page
    assert answer.headers["Cache-Control"] == "no-store"
    (key,) = KEY.findall(page)
    return key


async def test_a_client_gets_a_key_that_is_shown_once(panel, caplog, capsys):
    key = await created(panel, rate="50", return_hosts="shop.example, *.shop.example")
    ((id, hash, scopes, rate, hosts),) = await panel.rows(
        "SELECT k.id, hash, scopes, rate_per_s, return_hosts FROM api_keys k JOIN api_clients c ON c.name = client"
    )
    assert (bytes(hash), scopes, rate) == (digest_of(key), ["payments:read"], 50)
    assert hosts == ["*.shop.example", "shop.example"]
    page = await panel.get("/keys")
    assert f"bk_{id}_" in page
    assert "never" in page
    assert key not in page
    entry = panel.world.trail.entries[-1]
    assert (entry.kind, entry.subject_id, entry.reason) == (Kind.KEY, "shop", "a new shop")
    assert entry.detail == {"action": "create", "scopes": ["payments:read"]}
    ((actor, action, reason),) = await panel.rows("SELECT actor, action, reason FROM operator_actions")
    assert (actor, action, reason) == ("adam@cinema.example", "create_api_client", "a new shop")
    assert key not in caplog.text + "".join(capsys.readouterr()) + str(panel.world.trail.entries)


async def test_the_same_form_twice_is_one_client(panel):
    await created(panel)
    answer = await panel.world.post("/keys/new", NEW)
    assert answer.status == 409
    assert "exists already" in await answer.text()
    assert panel.world.trail.entries[-1].kind is Kind.REFUSED
    assert len(await panel.rows("SELECT 1 FROM api_keys")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"client": "A Shop"},
        {"scope": ""},
        {"scope": "everything"},
        {"rate": "many"},
        {"rate": "0"},
        {"reason": ""},
        {"reason": "4111111111111111"},
        {"return_hosts": "https://shop.example"},
    ],
)
async def test_a_form_that_cannot_be_used_is_shown_again(panel, fields):
    answer = await panel.world.post("/keys/new", NEW | fields)
    assert answer.status in (409, 422)
    page = await answer.text()
    assert 'role="alert"' in page
    assert 'action="/keys/new"' in page
    assert await panel.rows("SELECT 1 FROM api_clients") == []


async def test_another_key_is_issued_once_however_often_the_form_is_sent(panel):
    first = (await created(panel)).split("_")[1]
    assert 'action="/keys/' in await panel.get(f"/keys/{first}/rotate")
    answer = await panel.world.post(f"/keys/{first}/rotate", {"reason": "half a year is over"})
    assert answer.status == 200
    (second,) = KEY.findall(await answer.text())
    assert (await panel.world.post(f"/keys/{first}/revoke", {"reason": "replaced"})).status == 303
    again = await panel.world.post(f"/keys/{first}/rotate", {"reason": "half a year is over"})
    assert again.status == 409, "the client has one live key: only the key that was seen refuses it"
    assert "was given another key meanwhile" in await again.text()
    keys = await panel.rows("SELECT id, revoked_at IS NULL FROM api_keys ORDER BY created_at")
    assert [tuple(key) for key in keys] == [(first, False), (second.split("_")[1], True)]


async def test_a_key_is_replaced_whose_first_replacement_was_revoked(panel):
    first = (await created(panel)).split("_")[1]
    answer = await panel.world.post(f"/keys/{first}/rotate", {"reason": "half a year is over"})
    second = KEY.findall(await answer.text())[0].split("_")[1]
    assert (await panel.world.post(f"/keys/{second}/revoke", {"reason": "it leaked"})).status == 303
    for path in ("/keys", "/keys?revoked"):
        assert ROTATE.findall(await panel.get(path)) == [first]
    answer = await panel.world.post(f"/keys/{first}/rotate", {"reason": "the other leaked"})
    assert answer.status == 200, await answer.text()
    third = KEY.findall(await answer.text())[0].split("_")[1]
    assert ROTATE.findall(await panel.get("/keys")) == [third]


async def test_a_client_without_a_live_key_gets_one_by_its_newest(panel):
    first = (await created(panel)).split("_")[1]
    assert (await panel.world.post(f"/keys/{first}/revoke", {"reason": "it leaked"})).status == 303
    assert ROTATE.findall(await panel.get("/keys?revoked")) == [first]
    assert (await panel.world.post(f"/keys/{first}/rotate", {"reason": "it leaked"})).status == 200
    assert (await panel.world.post(f"/keys/{first}/rotate", {"reason": "it leaked"})).status == 409


async def test_a_revoked_key_stays_revoked(panel):
    id = (await created(panel)).split("_")[1]
    assert "5 seconds" in await panel.get(f"/keys/{id}/revoke")
    assert (await panel.world.post(f"/keys/{id}/revoke", {"reason": ""})).status == 422
    for _ in range(2):
        answer = await panel.world.post(f"/keys/{id}/revoke", {"reason": "it leaked"})
        assert (answer.status, answer.headers["Location"]) == (303, "/keys?revoked")
    assert len(await panel.rows("SELECT 1 FROM operator_actions WHERE action = 'revoke_api_key'")) == 1
    assert [e.detail["action"] for e in panel.world.trail.entries if e.kind is Kind.KEY] == ["create", "revoke"]
    assert f"bk_{id}_" not in await panel.get("/keys")
    assert f"bk_{id}_" in await panel.get("/keys?revoked")


async def test_an_unknown_key_is_a_page_that_helps(panel):
    for id in ("0123456789ab", "a%00b"):
        answer = await panel.world.get(f"/keys/{id}/revoke")
        assert answer.status == 404
        assert "lists those that can be used" in await answer.text()


async def test_nothing_is_issued_that_cannot_be_put_on_the_trail(panel):
    panel.world.trail.unavailable = True
    assert (await panel.world.post("/keys/new", NEW)).status == 503
    assert await panel.rows("SELECT 1 FROM api_clients") == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPPORT, Role.FINANCE])
async def test_others_neither_see_nor_issue_keys(panel, role):
    panel.become("eve", role)
    assert (await panel.world.get("/keys")).status == 403
    assert (await panel.world.post("/keys/new", NEW)).status == 403
    assert await panel.rows("SELECT 1 FROM api_clients") == []


async def test_the_second_factor_is_asked_for_again_before_the_form(panel):
    (token,) = panel.people
    earlier = panel.people[token].authenticated_at - timedelta(minutes=10)
    panel.people[token] = replace(panel.people[token], authenticated_at=earlier)
    assert (await panel.world.get("/keys")).status == 200
    answer = await panel.world.get("/keys/new")
    assert (answer.status, answer.headers["Location"]) == (303, "/confirm?next=/keys/new")
    assert (await panel.world.post("/keys/new", NEW)).status == 303
    assert await panel.rows("SELECT 1 FROM api_clients") == []
