"""Callbacks for the benchmark of ingest: Yandex Pay's, whose signature takes longest to verify of all providers'."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiohttp import web
from aiohttp.test_utils import unused_port
from cryptography.hazmat.primitives.asymmetric import ec

from providers.sandbox import json_http
from providers.sandbox.yandex_pay.signing import Signer
from providers.settings import environment
from providers.yandex_pay.plugin import PLUGIN
from providers.yandex_pay.settings import YandexPayCallbackSettings

MERCHANT: Final = "bench"
#: A benchmark takes longer than the tokens of the provider are valid, seconds.
VALIDITY_S: Final = 3_600


class CallbackLoad:
    """Signed callbacks, and the settings with which ingest believes them. ``path``: where they go, below ingest's
    URL."""

    path: Final = f"/webhooks/{PLUGIN.name}{PLUGIN.callback.path}"
    headers: Final = {"Content-Type": "application/octet-stream"}

    def __init__(self) -> None:
        self._signer = Signer(ec.generate_private_key(ec.SECP256R1()), VALIDITY_S)

    @asynccontextmanager
    async def published(self) -> AsyncIterator[dict[str, str]]:
        """The keys are served meanwhile; the environment of an ingest process that fetches them."""
        app, port = web.Application(), unused_port()
        app.router.add_get("/api/jwks", self._jwks)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield environment(YandexPayCallbackSettings(url=f"http://127.0.0.1:{port}", merchant_id=MERCHANT))
        finally:
            await runner.cleanup()

    def signed(self, count: int) -> list[bytes]:
        """Bodies of callbacks about as many orders."""
        return [self._signer.sign(msgspec.json.encode(_event(number))) for number in range(count)]

    async def _jwks(self, _request: web.Request) -> web.Response:
        return json_http.answer(self._signer.jwks)


def _event(number: int) -> dict[str, Any]:
    return {
        "event": "ORDER_STATUS_UPDATED",
        "eventTime": datetime.now(UTC).isoformat(),
        "merchantId": MERCHANT,
        "order": {"orderId": f"bench-{number}", "paymentStatus": "CAPTURED"},
    }
