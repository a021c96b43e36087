"""Requests and their repeats over one connection pool."""

import asyncio
import time
from collections.abc import Iterator
from random import Random, SystemRandom
from typing import Final, NamedTuple, TypeVar

import aiohttp
import msgspec

from billing_client.errors import NoAnswer, ProblemError, problem_error
from billing_client.repeats import PASSING, Repeats

T = TypeVar("T")

_FIRST_ERROR: Final = 400


class Answer(NamedTuple):
    """A 2xx."""

    status: int
    body: bytes

    def read(self, type: type[T]) -> T:
        """Its JSON. Members that are not known are left out."""
        return msgspec.json.decode(self.body, type=type)


class Transport:
    """Sends requests with the API key, again where that may help."""

    def __init__(self, url: str, api_key: str, repeats: Repeats, session: aiohttp.ClientSession) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {api_key}"}
        self.repeats = repeats
        self.session = session
        self._chance: Random = SystemRandom()

    def begin(self) -> tuple[float, Iterator[float]]:
        """Until when to try (:func:`time.monotonic`), and the pauses between."""
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
        """The answer to the request, of whichever attempt. ``wait_s``: how long the service may take over it.

        Raises :class:`ProblemError` for the last refusal, :class:`NoAnswer` when there was none.
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
                if response.status not in PASSING:
                    raise failure
                pause = max(pause, retry_after_s(response))
            if time.monotonic() + pause > deadline:
                raise failure
            await asyncio.sleep(pause)


def retry_after_s(response: aiohttp.ClientResponse) -> float:
    """What the server asks for; 0 where it asks for nothing, or for a date."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0
