"""Clients that hold connections open, send too much, or guess keys."""

import asyncio
from urllib.parse import urlsplit

import pytest
import structlog

from runtime.http.connections import HEAD_LIMIT
from runtime.http.credentials import FAILURES_MAX, WINDOW_S, FailedAttempts
from tests.unit.admin.conftest import KEY, Clock, World, serving

FORM = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"


async def connected(world: World, *sent: bytes) -> asyncio.StreamReader:
    """A connection on which this was sent; it stays open."""
    address = urlsplit(world.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.writelines(sent)
    reader.keep_open = writer  # type: ignore[attr-defined]  # a writer that is collected closes the connection
    return reader


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All until the server closes the connection."""
    async with asyncio.timeout(20):
        return await reader.read()


@pytest.mark.parametrize(
    "sent", [b"", b"GET /rep", FORM, FORM + b"Content-Length: 40\r\n\r\nkey="], ids=["nothing", "line", "head", "body"]
)
async def test_a_client_that_takes_too_long_is_disconnected(sent):
    async with serving(admin_head_timeout_s=0.2, admin_body_timeout_s=0.2) as world:
        answer = await rest(await connected(world, sent))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"/problems/request-timeout" in answer


async def test_a_head_without_an_end_is_refused_by_its_size(world):
    answer = await rest(await connected(world, b"GET / HTTP/1.1\r\nHost: x\r\nX-More: " + b"x" * HEAD_LIMIT))
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_connections_above_the_limit_are_refused():
    async with serving(admin_connections=2) as world:
        held = [await connected(world, b"GET /rep") for _ in range(2)]
        answer = await rest(await connected(world))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"/problems/too-many-connections" in answer
        assert not any(reader.at_eof() for reader in held)


@pytest.mark.parametrize("body", ["&" * 10, "a=1&" * 10, "email"])
async def test_a_form_that_is_none_opens_no_session(world, body):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await world.http.post(f"{world.url}/sign-in", data=body, headers=headers, allow_redirects=False)
    assert answer.status == 403
    assert world.accounts.roles == {}


async def test_a_form_with_more_fields_than_any_of_ours_is_refused(world):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await world.http.post(f"{world.url}/sign-in", data="a=1&" * 1000, headers=headers, allow_redirects=False)
    assert answer.status == 400


async def test_a_body_that_is_announced_too_large_is_not_waited_for(world):
    answer = await rest(await connected(world, FORM, b"Content-Length: 1000000000\r\n\r\nkey="))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_wrong_keys_are_throttled_by_address_and_the_right_one_is_accepted_later(world):
    for attempt in range(FAILURES_MAX):
        assert (await world.get("/v1/analytics", Authorization=f"Bearer guess-{attempt}")).status == 401
    refused = await world.get("/v1/analytics")
    assert (refused.status, refused.headers["Retry-After"]) == (429, str(int(WINDOW_S)))
    assert "Too many wrong API keys" in await refused.text()
    world.clock.now += WINDOW_S
    assert (await world.get("/v1/analytics")).status == 200


async def test_a_throttled_address_keeps_its_open_sessions(world):
    await world.sign_in()
    for attempt in range(FAILURES_MAX):
        await world.get("/v1/analytics", Authorization=f"Bearer guess-{attempt}")
    assert (await world.get("/reports", Authorization="")).status == 200


async def test_refused_keys_are_logged_without_the_key(world):
    with structlog.testing.capture_logs() as lines:
        await world.get("/v1/analytics", Authorization="Bearer wrong-key")
    assert [(line["event"], line["address"]) for line in lines] == [("API key refused", "127.0.0.1")]
    assert not any("wrong-key" in str(line) or KEY in str(line) for line in lines)


async def test_of_two_authorization_headers_neither_is_taken(world):
    answer = await world.http.get(
        f"{world.url}/v1/analytics", headers=[("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer other")]
    )
    assert answer.status == 401


def test_addresses_of_one_ipv6_network_are_one_client_and_others_are_not():
    failed = FailedAttempts(Clock())
    for host in range(FAILURES_MAX):
        failed.note(f"2001:db8:0:1::{host:x}")
    assert failed.wait_s("2001:db8:0:1::ffff") == WINDOW_S
    assert failed.wait_s("2001:db8:0:2::1") == 0
    assert failed.wait_s("203.0.113.9") == 0
