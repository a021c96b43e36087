"""The real parts as others see them: plain AMQP consumers, ClickHouse over HTTP."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from tests.integration.sinks.bench import PATIENCE_S


class Inboxes:
    """The queues of all consumers, as plain consumers read them."""

    def __init__(self, auth: AbstractQueue, notify: AbstractQueue, finance: AbstractQueue) -> None:
        self.auth = auth
        self.notify = notify
        self.finance = finance

    @staticmethod
    async def read(queue: AbstractQueue, count: int) -> list[AbstractIncomingMessage]:
        """Take messages until ``count`` different ones have come; repeats are among them."""
        messages: list[AbstractIncomingMessage] = []
        async with asyncio.timeout(PATIENCE_S), queue.iterator() as incoming:
            async for message in incoming:
                await message.ack()
                messages.append(message)
                if len({m.message_id for m in messages}) == count:
                    return messages
        raise AssertionError("the queue closed")

    @staticmethod
    async def read_all(queue: AbstractQueue) -> list[AbstractIncomingMessage]:
        """Take everything that is in the queue now."""
        messages: list[AbstractIncomingMessage] = []
        while (message := await queue.get(fail=False)) is not None:
            await message.ack()
            messages.append(message)
        return messages


class Sql:
    """ClickHouse as ``curl`` asks it."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def ask(self, query: str) -> list[list[str]]:
        """Rows of texts."""
        parts = urlsplit(self.url)
        params = {
            "database": parts.path.strip("/"),
            "user": parts.username or "default",
            "password": parts.password or "",
        }
        async with self._http.post(
            f"{parts.scheme}://{parts.hostname}:{parts.port}/", params=params, data=query
        ) as response:
            answer = await response.text()
            assert response.status == 200, answer
            return [line.split("\t") for line in answer.splitlines()]
