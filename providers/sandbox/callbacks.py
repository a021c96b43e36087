"""Delivers callbacks to the merchant: signed again at each attempt, until they are acknowledged."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import structlog

from providers.sandbox.imitation import Imitation
from providers.sandbox.ledger import Delivery, ProviderLedger

log = structlog.get_logger(__name__)

#: Concurrent deliveries.
CONCURRENCY: Final = 64
#: The first pause between attempts, as Yandex Pay documents it; it doubles each time.
FIRST_PAUSE_S: Final = 0.005
#: 2**20 times the first pause exceeds any setting: the power must be bounded.
MAX_DOUBLINGS: Final = 20
TIMEOUT_S: Final = 10.0
#: Acknowledged deliveries are deleted together this often, seconds. If the process dies before, they are delivered
#: again, as callbacks may be.
DELETE_S: Final = 0.05


class Callbacks:
    """The queue of one merchant's callbacks, to ``<url>/<provider>`` and what the provider appends. Undelivered ones
    survive a restart in the ledger.

    ``pause_max_s``: the longest pause between two attempts. Real providers give up after about a day; this one does
    not.
    """

    def __init__(self, ledger: ProviderLedger, url: str, pause_max_s: float) -> None:
        self._ledger = ledger
        self._url = url.rstrip("/")
        self._imitations: Mapping[str, Imitation] = {}
        self._pause_max_s = pause_max_s
        self._places = asyncio.Semaphore(CONCURRENCY)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._acknowledged: list[int] = []

    async def start(self, imitations: Mapping[str, Imitation]) -> None:
        """Deliver for these, beginning with what a former process left."""
        self._imitations = imitations
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONCURRENCY),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self.send(self._ledger.undelivered())

    async def stop(self) -> None:
        """Stop; what is not delivered stays in the ledger."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._delete_acknowledged()
        if self._session is not None:
            await self._session.close()

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Start delivering."""
        for delivery in deliveries:
            task = asyncio.create_task(self._deliver(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        while True:
            await asyncio.sleep(max(0.0, delivery.due - time.time()))
            if await self._try(delivery):
                if not self._acknowledged:
                    asyncio.get_running_loop().call_later(DELETE_S, self._delete_acknowledged)
                self._acknowledged.append(delivery.id)
                return
            pause = min(FIRST_PAUSE_S * 2 ** min(delivery.tries, MAX_DOUBLINGS), self._pause_max_s)
            delivery.tries, delivery.due = delivery.tries + 1, time.time() + pause
            self._ledger.postpone(delivery)

    def _delete_acknowledged(self) -> None:
        if self._acknowledged:
            self._ledger.delivered(self._acknowledged)
            self._acknowledged.clear()

    async def _try(self, delivery: Delivery) -> bool:
        """One attempt; whether it was acknowledged."""
        assert self._session is not None
        imitation = self._imitations[delivery.provider]
        url = f"{self._url}/{imitation.name}{imitation.callback_path}"
        async with self._places:
            callback = imitation.callback(delivery.payload)
            try:
                async with self._session.post(url, data=callback.body, headers=callback.headers) as response:
                    return imitation.acknowledges(response.status, await response.read())
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                log.debug("callback not delivered", order=delivery.order_id, tries=delivery.tries, error=repr(error))
                return False
