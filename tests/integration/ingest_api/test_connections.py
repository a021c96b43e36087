"""What only a connection shows: bodies that are cut off or too large, clients that disconnect, addresses of senders."""

import asyncio
import json

import pytest

from ingest_api.edge.idempotency import payment_id
from providers.base import CallbackRejected
from providers.yookassa.webhook import PUBLISHED, WebhookVerifier
from tests.support.ingest_server import serving

BODY = b"header.payload.signature"


async def test_a_body_over_the_limit_by_its_announced_length(world) -> None:
    reader, writer = await _send_head(world, Content_Length="8193")

    answer = await reader.read()  # to the end: the connection is closed, nobody waits for the body

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"type":"/problems/body-too-large"' in answer
    assert b'"limit_bytes":8192' in answer
    writer.close()


@pytest.mark.parametrize("around", [" ", "\t", "  \t "])
async def test_white_space_around_a_header_is_no_part_of_it(world, body, around: str) -> None:
    """RFC 9110, 5.5: the parser takes it away before a field, and not after it."""
    sent = json.dumps(body).encode()
    spaced = {name: f"{around}{value}{around}" for name, value in world.headers(Idempotency_Key="abc").items()}
    reader, writer = await _send_head(world, Content_Length=str(len(sent)), Connection="close", **spaced)
    writer.write(sent)

    assert (await reader.read()).startswith(b"HTTP/1.1 202 ")
    assert str(world.writer.commands[-1].payment_id) == str(payment_id("site", "abc"))
    writer.close()


async def _send_head(world, **headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = world.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = "".join(f"{name}: {value}\r\n" for name, value in world.headers(**headers).items())
    writer.write(f"POST /v1/payments HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
    await writer.drain()
    return reader, writer


async def test_a_body_over_the_limit_by_its_counted_chunks(world) -> None:
    reader, writer = await _send_head(world, Transfer_Encoding="chunked")
    for _ in range(9):
        writer.write(b"400\r\n" + b" " * 1024 + b"\r\n")

    answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"type":"/problems/body-too-large"' in answer
    writer.close()


async def test_a_client_that_disconnects_in_the_middle_of_its_body_is_counted(world, eventually) -> None:
    gone = world.metrics.requests.labels("/v1/payments", "POST", 499)
    before = gone._value.get()
    _, writer = await _send_head(world, Content_Length="100")
    writer.write(b"{")
    await writer.drain()
    writer.close()

    await eventually(lambda: gone._value.get() == before + 1)


async def test_a_client_that_disconnects_stops_waiting(world, body, eventually) -> None:
    request = asyncio.create_task(world.create(body, Prefer="wait=30"))  # longer than `eventually` waits
    await eventually(lambda: len(world.waiting) == 1)
    request.cancel()

    await eventually(lambda: len(world.waiting) == 0)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer"),
    [
        ([], "185.71.76.1", "127.0.0.1"),
        (["127.0.0.0/8"], "185.71.76.1", "185.71.76.1"),
        (["127.0.0.0/8"], "185.71.76.1, 203.0.113.9", "203.0.113.9"),
        (["10.0.0.0/8"], "185.71.76.1", "127.0.0.1"),
        (["127.0.0.0/8"], "185.71.76.1, 127.0.0.1", "185.71.76.1"),
        (["127.0.0.0/8"], "185.71.76.1,203.0.113.9", "203.0.113.9"),
        (["127.0.0.0/8"], "2a02:5180::1", "2a02:5180::1"),
        (["127.0.0.0/8"], "[2a02:5180::1]:443", "2a02:5180::1"),
    ],
    ids=[
        "no proxy",
        "a proxy of ours",
        "forged before the proxy",
        "not our proxy",
        "two proxies of ours",
        "no space",
        "IPv6",
        "IPv6 and port",
    ],
)
async def test_the_address_of_a_sender_is_that_of_the_connection_or_given_by_a_trusted_proxy(
    proxies, forwarded, peer
) -> None:
    async with serving(ingest_trusted_proxies=proxies) as world:
        await world.callback(BODY, **{"X-Signature": "good", "X-Forwarded-For": forwarded})
        assert world.dependencies.verifiers["yandex-pay"].peers == [peer]


@pytest.mark.parametrize(
    "forwarded",
    ["", ",", " ", '"185.71.76.1"', "::ffff:203.0.113.9", "unknown", "_hidden", "185.71.76.1 x"],
)
async def test_a_strange_address_is_nobody_who_may_call_back(forwarded: str) -> None:
    async with serving(ingest_trusted_proxies=["127.0.0.0/8"]) as world:
        await world.callback(BODY, **{"X-Signature": "good", "X-Forwarded-For": f"203.0.113.9, {forwarded}"})
        (peer,) = world.dependencies.verifiers["yandex-pay"].peers

    verifier = WebhookVerifier(PUBLISHED)
    for sender, status in ((peer, 403), ("185.71.76.1", 400)):  # nobody; and on the list, with a body that is none
        with pytest.raises(CallbackRejected) as rejected:
            await verifier.verify({}, b"{}", sender)
        assert rejected.value.status == status
