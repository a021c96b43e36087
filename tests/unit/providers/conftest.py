"""A provider that answers by script with an adapter that calls it, and one that signs with a verifier of its tokens."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from providers.yandex_pay.keys import Keys
from providers.yandex_pay.webhook import WebhookVerifier
from tests.support.scripted_provider import Script, an_adapter
from tests.support.signed_tokens import MERCHANT, NOW, Clock, Provider


@pytest.fixture
async def script():
    script = Script()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    server = TestServer(app)
    await server.start_server()
    script.url = str(server.make_url("/"))
    yield script
    script.over.set()
    await server.close()


@pytest.fixture
async def adapter(script):
    async with an_adapter(script.url) as adapter:
        yield adapter


@pytest.fixture
async def provider():
    return Provider()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def verifier(provider, clock):
    app = web.Application()
    app.router.add_get("/jwks", provider.publish)
    server = TestServer(app)
    await server.start_server()
    verifier = WebhookVerifier(Keys(str(server.make_url("/jwks")), clock), MERCHANT, lambda: NOW)
    await verifier.start()
    yield verifier
    await verifier.close()
    await server.close()
