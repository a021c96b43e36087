"""Yandex Pay's keys and the tokens signed with them, good and bad."""

import asyncio
import json
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from providers.base import CallbackRejected
from providers.yandex_pay.webhook import WebhookVerifier

MERCHANT = "merchant-1"
NOW = 1_800_000_000
ORDER = {"orderId": "order-1", "paymentStatus": "CAPTURED"}


class Provider:
    """The provider's keys, published, and tokens signed with them."""

    def __init__(self) -> None:
        self.keys = {"key-1": ec.generate_private_key(ec.SECP256R1())}
        self.fetches = 0
        self.is_away = False
        self.others: list[dict[str, Any]] = []
        self.answer: bytes | None = None
        self.is_answering = asyncio.Event()
        self.is_answering.set()

    async def publish(self, _request: web.Request) -> web.Response:
        self.fetches += 1
        await self.is_answering.wait()
        if self.is_away:
            raise web.HTTPServiceUnavailable
        if self.answer is not None:
            return web.Response(body=self.answer, content_type="application/json")
        keys = [
            {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": "ES256"}
            for kid, key in self.keys.items()
        ]
        return web.json_response({"keys": keys + self.others})

    def token(self, kid: str = "key-1", signed_by: str | None = None, **changes: Any) -> bytes:
        payload = {"event": "ORDER_STATUS_UPDATED", "eventTime": "2026-11-23T12:00:00Z", "merchantId": MERCHANT}
        payload |= {"order": ORDER} | changes.pop("payload", {})
        header = {"kid": kid, "iat": NOW, "exp": NOW + 300} | changes
        header = {name: value for name, value in header.items() if value is not None}
        key = self.keys[signed_by or kid]
        return jwt.PyJWS().encode(json.dumps(payload).encode(), key, "ES256", header).encode()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def rejection(verifier: WebhookVerifier, token: bytes) -> CallbackRejected:
    with pytest.raises(CallbackRejected) as caught:
        await verifier.verify({}, token)
    return caught.value
