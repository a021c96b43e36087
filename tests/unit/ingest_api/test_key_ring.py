"""Which API clients may be set up, and what their keys open."""

import hashlib
from contextlib import suppress
from uuid import uuid4

import pytest
from pydantic import SecretStr

from ingest_api.auth.admission import RateLimits
from ingest_api.problems import ProblemError
from storage.access.api_keys import StoredKey
from storage.access.key_ring import KeyRing, KeysUnavailable, digest_of
from tests.support.ingest_fakes import NOW, FakeKeyStore
from tests.support.ingest_server import World


def a_book_of(hashes: dict[str, SecretStr]) -> KeyRing:
    return KeyRing(hashes, FakeKeyStore(), clock=lambda: NOW, refresh_s=1, default_rate_per_s=1)


@pytest.mark.parametrize("name", ["", "a:b", "Site", "with space", "x" * 64])
def test_a_name_that_could_be_mistaken_for_another_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not valid"):
        a_book_of({name: SecretStr("0" * 64)})


@pytest.mark.parametrize("digest", ["", "plain-text-key", "0" * 63, "Z" * 64])
def test_a_key_that_is_not_hashed_is_refused(digest: str) -> None:
    with pytest.raises(ValueError, match="not valid") as refused:
        a_book_of({"site": SecretStr(digest)})
    assert digest == "" or digest not in str(refused.value)


def on_record(key: str, *scopes: str, id: str = "k1", rate_per_s: int | None = 1_000_000) -> StoredKey:
    return StoredKey(
        id=id,
        client="kiosk",
        hash=hashlib.sha256(key.encode()).digest(),
        scopes=list(scopes),
        rate_per_s=rate_per_s,
        created_at=NOW,
        revoked_at=None,
        last_used_at=None,
    )


@pytest.fixture
async def kiosk(world) -> World:
    """An API client that may read and write payments."""
    world.book.keys = [on_record("kiosk-key", "payments:read", "payments:write")]
    await world.dependencies.admission.keys.refresh()
    return world


KIOSK = "Bearer kiosk-key"


async def test_a_key_on_record_is_admitted_and_its_use_recorded(kiosk, body) -> None:
    assert (await kiosk.create(body, Authorization=KIOSK)).status == 202
    assert kiosk.writer.commands[0].client_id == "kiosk"

    await kiosk.dependencies.admission.keys.refresh()
    assert kiosk.book.used == {"k1": NOW}


async def test_two_keys_of_a_client_are_live_at_once_and_lead_to_the_same_payments(kiosk, body) -> None:
    kiosk.book.keys.append(on_record("kiosk-key-2", "payments:read", "payments:write", id="k2"))
    await kiosk.dependencies.admission.keys.refresh()
    await kiosk.create(body, Authorization=KIOSK)
    await kiosk.create(body, Authorization="Bearer kiosk-key-2")

    first, second = kiosk.writer.commands
    assert first.payment_id == second.payment_id


async def test_a_revoked_key_is_refused_after_the_next_look(kiosk, body) -> None:
    kiosk.book.keys = []
    await kiosk.dependencies.admission.keys.refresh()

    (await kiosk.create(body, Authorization=KIOSK)).is_problem(401, "unauthorized")


async def test_while_the_keys_cannot_be_read_those_known_stay_good(kiosk, body) -> None:
    kiosk.book.unavailable = True
    with pytest.raises(KeysUnavailable):
        await kiosk.dependencies.admission.keys.refresh()

    assert (await kiosk.create(body, Authorization=KIOSK)).status == 202


@pytest.mark.parametrize(
    ("scopes", "may_read", "may_write"),
    [
        (["payments:read"], True, False),
        (["payments:write"], False, True),
        (["admin"], True, True),
        (["analytics:read", "subscriptions:write"], False, False),
    ],
)
async def test_a_key_is_good_for_its_scopes_only(kiosk, body, scopes, may_read: bool, may_write: bool) -> None:
    kiosk.book.keys = [on_record("kiosk-key", *scopes)]
    await kiosk.dependencies.admission.keys.refresh()

    write = await kiosk.create(body, Authorization=KIOSK)
    act = await kiosk.act(uuid4(), "capture", {}, Authorization=KIOSK)
    read = await kiosk.get("/v1/payments", Authorization=KIOSK)
    assert (read.status, write.status, act.status) == (
        200 if may_read else 403, 202 if may_write else 403, 404 if may_write else 403,
    )  # fmt: skip
    if not may_read:
        read.is_problem(403, "forbidden")
        assert read.json["scope"] == "payments:read"


async def test_before_the_keys_were_read_once_an_unknown_key_is_not_called_wrong(serve, body) -> None:
    async with serve() as world:
        world.dependencies.admission.keys.is_loaded = False

        (await world.create(body, Authorization="Bearer who-knows")).is_problem(503, "service-unavailable")
        assert (await world.create(body)).status == 202, "keys of the settings are known from the start"
        assert "API keys are not loaded" in (await world.get("/readyz")).json["reasons"]


async def test_a_client_that_exceeds_its_rate_learns_when_to_retry(kiosk, body) -> None:
    kiosk.book.keys = [on_record("kiosk-key", "payments:write", rate_per_s=None)]  # 0.001 a second here: one at once
    await kiosk.dependencies.admission.keys.refresh()
    first = await kiosk.create(body, Authorization=KIOSK)
    second = await kiosk.create(body, Authorization=KIOSK)

    assert first.status == 202
    assert first.headers["RateLimit-Policy"] == '"client";q=1;w=1000'
    assert first.headers["RateLimit"].startswith('"client";r=0;t=')
    second.is_problem(429, "too-many-requests")
    assert 990 <= int(second.headers["Retry-After"]) <= 1000
    assert len(kiosk.writer.commands) == 1
    assert (await kiosk.create(body)).status == 202, "another client is not held up"


def test_the_processes_together_never_give_more_than_the_rate() -> None:
    admitted = 0
    for process in (RateLimits(lambda: 2), RateLimits(lambda: 2)):
        for _ in range(100):
            with suppress(ProblemError):
                process.take("kiosk", 10)
                admitted += 1

    assert 20 <= admitted <= 24, "two seconds' worth at once, at whichever process"


def test_the_share_of_a_rate_follows_the_number_of_processes() -> None:
    processes = 1
    limits = RateLimits(lambda: processes)
    assert (b"ratelimit-policy", b'"client";q=20;w=2') in limits.take("kiosk", 10)
    processes = 2
    assert (b"ratelimit-policy", b'"client";q=10;w=2') in limits.take("kiosk", 10)


@pytest.mark.parametrize(
    ("hosts", "success", "status"),
    [
        (None, "https://anywhere.example/ok", 202),
        (["cinema.example"], "https://cinema.example/ok", 202),
        (["cinema.example"], "https://CINEMA.example:8443/ok", 202),
        (["cinema.example"], "https://evil.example/?cinema.example", 422),
        (["cinema.example"], "https://www.cinema.example/ok", 422),
        (["*.cinema.example", "cinema.example"], "https://a.b.cinema.example/ok", 202),
        (["*.cinema.example", "cinema.example"], "https://evilcinema.example/ok", 422),
        ([], "https://cinema.example/ok", 422),
    ],
)
async def test_customers_are_sent_back_to_the_hosts_of_the_client_only(
    serve, body, hosts: list[str] | None, success: str, status: int
) -> None:
    async with serve() as world:
        world.book.keys = [
            StoredKey(
                id="k", client="shop", hash=digest_of("a key"), scopes=["payments:write"], rate_per_s=None,
                created_at=NOW, revoked_at=None, last_used_at=None, return_hosts=hosts,
            )
        ]  # fmt: skip
        await world.dependencies.admission.keys.refresh()
        body["return_urls"] = {"success": success, "failure": "https://cinema.example/no"}
        answer = await world.create(body, Authorization="Bearer a key")

    assert answer.status == status
    if status == 422:
        assert answer.json["errors"][0]["pointer"] == "/return_urls/success"
