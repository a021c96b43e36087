"""Changes of a payment or a subscription as they happen."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final, TypeVar

import aiohttp
import msgspec

from billing_client.errors import NoAnswer, problem_error
from billing_client.event_stream import server_events
from billing_client.repeats import TRANSIENT
from billing_client.transport import Transport, retry_after_s

#: Seconds without data after which a stream is considered broken: the server sends a comment every 15 s.
_SILENCE_S: Final = 40.0

T = TypeVar("T")


async def follow(transport: Transport, path: str, type: type[T], after: int | None) -> AsyncIterator[T]:
    """Every version after ``after``, once and in order. A broken stream is resumed where it ended."""
    url = transport.url + path
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=transport.repeats.timeout_s, sock_read=_SILENCE_S)
    wanted_s = 0.0
    deadline, pauses = transport.begin()
    while True:
        headers = {**transport.headers, **({} if after is None else {"Last-Event-ID": str(after)})}
        failure: Exception | None = None
        try:
            async with transport.session.get(url, headers=headers, timeout=timeout) as response:
                if response.ok:
                    async for event in server_events(response.content):
                        deadline, pauses = transport.begin()
                        if event.retry_ms is not None:
                            wanted_s = event.retry_ms / 1000
                        if event.data:
                            after = int(event.id)
                            yield msgspec.json.decode(event.data, type=type)
                else:
                    failure = problem_error(response.status, response.reason or "", await response.read())
                    if response.status not in TRANSIENT:
                        raise failure
                    wanted_s = retry_after_s(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = NoAnswer(f"GET {path}: {error!r}")
        if failure is not None and time.monotonic() > deadline:
            raise failure
        await asyncio.sleep(max(wanted_s, next(pauses)))
