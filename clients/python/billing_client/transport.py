"""Requests and their repeats over one connection pool."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from random import Random, SystemRandom
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar
from uuid import uuid4

import aiohttp
import msgspec

from billing_client.errors import NoAnswer, ProblemError, problem_error
from billing_client.repeats import TRANSIENT, Repeats

T = TypeVar("T")

_FIRST_ERROR: Final = 400
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Answer(NamedTuple):
    """A response with a 2xx status."""

    status: int
    body: bytes

    def read(self, type: type[T]) -> T:
        """The JSON body. Unknown members are ignored."""
        return msgspec.json.decode(self.body, type=type)


class Transport:
    """Sends requests with the API key, and repeats them where that can help."""

    def __init__(self, url: str, api_key: str, repeats: Repeats, session: aiohttp.ClientSession) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {api_key}"}
        self.repeats = repeats
        self.session = session
        self._chance: Random = SystemRandom()

    def begin(self) -> tuple[float, Iterator[float]]:
        """The deadline for attempts (:func:`time.monotonic`), and the pauses between them."""
        return time.monotonic() + self.repeats.patience_s, self.repeats.pauses(self._chance)

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        wait_s: float = 0.0,
    ) -> Answer:
        """The response to the request, after repeats if necessary. ``wait_s``: how long the request asks the service to
        wait. Raises :class:`ProblemError` for the last refusal, :class:`NoAnswer` if there was no response.
        """
        deadline, pauses = self.begin()
        timeout = aiohttp.ClientTimeout(total=self.repeats.timeout_s + wait_s)
        while True:
            failure: ProblemError | NoAnswer
            pause = next(pauses)
            try:
                async with self.session.request(
                    method,
                    self.url + path,
                    data=body,
                    headers={**self.headers, **(headers or {})},
                    params=params,
                    timeout=timeout,
                ) as response:
                    content = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure = NoAnswer(f"{method} {path}: {error!r}")
                failure.__cause__ = error
            else:
                if response.status < _FIRST_ERROR:
                    return Answer(response.status, content)
                failure = problem_error(response.status, response.reason or "", content)
                if response.status not in TRANSIENT:
                    raise failure
                pause = max(pause, retry_after_s(response))
            if time.monotonic() + pause > deadline:
                raise failure
            await asyncio.sleep(pause)

    async def command(
        self,
        method: str,
        path: str,
        body: Any,
        key: str | None,
        wait_s: float = 0.0,
        *,
        headers: Mapping[str, str] = _NONE,
    ) -> Answer:
        """Send a command under an idempotency key, a random one if there is none. ``wait_s``: as for :meth:`send`;
        ``headers``: further ones."""
        sent = {
            **headers,
            "Content-Type": "application/json",
            "Idempotency-Key": key or uuid4().hex,
            "Prefer": f"wait={wait_s:.0f}" if wait_s else "respond-async",
        }
        return await self.send(method, path, body=msgspec.json.encode(body), headers=sent, wait_s=wait_s)


def retry_after_s(response: aiohttp.ClientResponse) -> float:
    """The Retry-After header in seconds; 0 if it is missing or a date."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0
