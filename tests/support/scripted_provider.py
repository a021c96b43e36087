"""A provider that answers by script, and the adapter that calls it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from providers.yandex_pay import YandexPay
from runtime.settings import Settings

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Script:
    """A provider that gives one prepared answer, and remembers what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[web.Request] = []
        self.bodies: list[Any] = []
        self.over = asyncio.Event()
        self.answer: Answer = self.saying(200, {"status": "success", "data": {"paymentUrl": "https://pay.example/1"}})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.heard.append(request)
        body = await request.read()
        self.bodies.append(json.loads(body) if body else None)
        return await self.answer(request)

    @staticmethod
    def saying(status: int, body: Any, **headers: str) -> Answer:
        async def answer(_request: web.Request) -> web.Response:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            return web.Response(status=status, body=content, headers=headers)

        return answer

    def says(self, data: dict[str, Any]) -> None:
        """Answer everything with success."""
        self.answer = self.saying(200, {"code": 200, "status": "success", "data": data})

    def refuses(self, status: int, code: str) -> None:
        """Answer everything with a refusal."""
        self.answer = self.saying(status, {"status": "fail", "reasonCode": code, "reason": "because"})

    async def silent(self, _request: web.Request) -> web.Response:
        await self.over.wait()
        return web.Response()

    @staticmethod
    async def hanging_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    @staticmethod
    async def breaking_off(request: web.Request) -> web.StreamResponse:
        """Half an answer."""
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"status":"success"')
        assert request.transport is not None
        request.transport.close()
        return response


def settings(url: str, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "yandex_pay_url": url,
        "yandex_pay_merchant_id": "merchant-1",
        "yandex_pay_api_key": SecretStr("secret"),
        "provider_timeout_s": 5.0,
    }
    return Settings(**(values | changes))


@asynccontextmanager
async def an_adapter(url: str, **changes: Any) -> AsyncIterator[YandexPay]:
    adapter = YandexPay(settings(url, **changes))
    await adapter.start()
    yield adapter
    await adapter.close()
