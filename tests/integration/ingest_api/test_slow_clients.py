"""Clients that send slowly, or not at all, or too many at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from tests.support.ingest_server import SITE_KEY, Served, serving

HEAD = (
    f"POST /v1/payments HTTP/1.1\r\nHost: billing\r\nAuthorization: Bearer {SITE_KEY}\r\nIdempotency-Key: slow\r\n"
    "Content-Type: application/json\r\nContent-Length: 4000\r\n"
).encode()
#: Seconds between two bytes.
DRIP_S = 0.2


class Dripping:
    """A client that has sent the beginning of a request and sends the rest byte by byte. One that began with nothing,
    or with an empty line, goes on with that."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, beginning: bytes) -> None:
        writer.write(beginning)
        self._drop = b"x" if beginning.strip() else beginning
        self._reader = reader
        self._writer = writer
        self._task = asyncio.create_task(self._drip())

    @property
    def is_open(self) -> bool:
        return not self._reader.at_eof() and not self._writer.is_closing()

    async def _drip(self) -> None:
        while True:
            self._writer.write(self._drop)
            await asyncio.sleep(DRIP_S)

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """All that the server says until it closes the connection."""
        async with asyncio.timeout(20):
            head, _, body = (await self._reader.read()).decode().partition("\r\n\r\n")
        status, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(status.split()[1]), headers, json.loads(body)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()


async def test_connections_kept_for_a_next_request_shut_nobody_out() -> None:
    async with serving(ingest_connections=2) as world:
        host, port = world.url.removeprefix("http://").split(":")
        idle = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        for reader, writer in idle:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: billing\r\n\r\n")
            assert (await reader.readuntil(b'{"live":true}')).startswith(b"HTTP/1.1 200 ")

        assert (await world.get("/livez")).status == 200
        async with asyncio.timeout(20):
            ended, _ = await asyncio.wait(
                [asyncio.create_task(reader.read()) for reader, _ in idle], return_when=asyncio.FIRST_COMPLETED
            )
        assert len(ended) == 1
        for _, writer in idle:
            writer.close()


@asynccontextmanager
async def dripping(world: Served, *beginnings: bytes) -> AsyncIterator[list[Dripping]]:
    """A slow client for each beginning of a request."""
    port = int(world.url.rpartition(":")[2])
    clients = []
    try:
        for beginning in beginnings:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            clients.append(Dripping(reader, writer, beginning))
        yield clients
    finally:
        await asyncio.gather(*(client.stop() for client in clients))


async def test_five_hundred_slow_writers_do_not_stop_the_others(body) -> None:
    async with (
        serving(ingest_head_timeout_s=60, ingest_body_timeout_s=60) as world,  # their time is not over
        dripping(world, *[HEAD, HEAD + b"\r\n{"] * 250) as slow,
    ):
        answers = await asyncio.gather(
            *(world.create(body, Idempotency_Key=f"quick-{number}") for number in range(200))
        )
        assert {answer.status for answer in answers} == {202}
        assert all(client.is_open for client in slow), "they were there all the while"


@pytest.mark.parametrize(
    "beginning",
    [b"", b"POST /v1", HEAD, HEAD + b"\r\n{", b"\r\n"],
    ids=["nothing", "a line", "headers", "a body", "empty lines"],
)
async def test_a_client_that_takes_too_long_gets_a_timeout_and_is_disconnected(beginning: bytes) -> None:
    async with (
        serving(ingest_head_timeout_s=0.3, ingest_body_timeout_s=0.3) as world,
        dripping(world, beginning) as (slow,),
    ):
        status, headers, problem = await slow.answer()

        assert (status, problem["type"]) == (408, "/problems/request-timeout")
        assert headers["connection"] == "close"
        assert headers["x-request-id"] == problem["request_id"]
        assert headers["x-content-type-options"] == "nosniff"
        assert world.writer.records == []


async def test_a_refused_request_does_not_keep_its_connection_by_dripping_its_body() -> None:
    refused = HEAD.replace(SITE_KEY.encode(), b"nobody's") + b"\r\n{"
    bounds = {"ingest_head_timeout_s": 0.3, "ingest_body_timeout_s": 0.3}
    async with serving(**bounds) as world, dripping(world, refused) as (slow,):
        async with asyncio.timeout(20):
            said = await slow._reader.read()
        assert said.startswith(b"HTTP/1.1 401 ")


async def test_a_head_without_an_end_is_refused_by_its_size() -> None:
    async with serving() as world:
        port = int(world.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"X-More: " + b"x" * (1024 * 1024))
        async with asyncio.timeout(20):
            said = await reader.read(4096)
        writer.close()
        assert said.startswith(b"HTTP/1.1 400 ")
        assert b"/problems/bad-request" in said


async def test_what_is_not_http_is_a_bad_request() -> None:
    async with serving() as world, dripping(world, b"nonsense\r\n\r\n") as (client,):
        with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            status, _, problem = await client.answer()
        assert problem["request_id"] in [line.get("request_id") for line in lines]
        assert (status, problem["type"]) == (400, "/problems/bad-request")


async def test_connections_above_the_limit_are_refused(body, eventually) -> None:
    async with serving(ingest_connections=3) as world:
        async with dripping(world, HEAD, HEAD, HEAD, b"") as (*slow, late):
            status, headers, problem = await late.answer()
            assert (status, problem["type"]) == (503, "/problems/service-unavailable")
            assert headers["retry-after"] == "1"
            assert all(client.is_open for client in slow)
        await eventually(lambda: not world.server.server_state.connections)
        assert (await world.create(body)).status == 202, "a place that was left is free again"


async def test_a_connection_that_is_kept_serves_one_request_after_another(serve, eventually) -> None:
    async with serve(ingest_head_timeout_s=0.3) as world:
        port = int(world.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            for byte in (b"GET /livez HTTP/1.1\r\n", b"Host: billing\r\n\r\n"):
                writer.write(byte)
                await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(b'{"live":true}'))
            assert head.startswith(b"HTTP/1.1 200 ")
        assert all(connection._late is None for connection in world.server.server_state.connections)
        writer.close()
