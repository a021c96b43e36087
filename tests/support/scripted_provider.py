"""A provider that answers by script, and the adapter that calls it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from providers.http import CallLimits
from providers.yandex_pay import YandexPay
from providers.yandex_pay.settings import YandexPaySettings

LIMITS = CallLimits(timeout_s=5.0, connections=64)
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


@asynccontextmanager
async def an_adapter(url: str, limits: CallLimits = LIMITS, **changes: Any) -> AsyncIterator[YandexPay]:
    values: dict[str, Any] = {"url": url, "merchant_id": "merchant-1", "api_key": SecretStr("secret")}
    adapter = YandexPay(YandexPaySettings(**(values | changes)), limits)
    await adapter.start()
    yield adapter
    await adapter.close()
