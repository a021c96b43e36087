"""What an adapter makes of an answer that a test writes, at each provider."""

import json
from typing import Any
from uuid import uuid4

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from billing.messages import ProviderRequest
from billing.vocabulary import Action
from providers import registry
from providers.base import CallResult, Provider
from providers.http import CallLimits
from providers.plugin import SandboxAddress
from tests.support.sandbox import a_request

OURS = "7f000000-0000-4000-8000-000000000001"
THEIRS = "2f1c7a5e-000f-5000-8000-1c0d3b6e9a11"
SECRET = "secret"
#: Every provider's settings.
SETTINGS = registry.sandbox_settings(SandboxAddress("http://127.0.0.1", lambda _name: SECRET, ("127.0.0.1",)))
#: The name that each provider's order has.
ORDER_REFS = {"yandex-pay": OURS, "yookassa": THEIRS, "stripe": "cs_1", "tbank": "13660"}


def a_call(provider: str, action: Action) -> ProviderRequest:
    """A request about the order of a provider."""
    request = a_request(action, provider=provider, operation_id=uuid4())
    return request if action is Action.CREATE else msgspec.structs.replace(request, order_ref=ORDER_REFS[provider])


async def answered(
    provider: str,
    action: Action,
    answer: Any,
    status: int = 200,
    *,
    request: ProviderRequest | None = None,
    timeout_s: float = 5.0,
    heard: list[bytes] | None = None,
    **headers: str,
) -> CallResult:
    """What the adapter makes of an answer, or of several, of which the last one has ``status`` and ``headers``. An answer
    may be a handler. ``heard``: gets the bodies of the calls."""

    answers = list(answer) if isinstance(answer, list) else [answer]

    async def handle(asked: web.Request) -> web.StreamResponse:
        if heard is not None:
            heard.append(await asked.read())
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(said):
            shown: web.StreamResponse = await said(asked)
            return shown
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        is_last = said is answers[0]
        shown_headers = {"Content-Type": "application/json"} | (headers if is_last else {})
        return web.Response(status=status if is_last else 200, body=content, headers=shown_headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    server = TestServer(app)
    await server.start_server()
    settings = SETTINGS[provider].model_copy(update={"url": str(server.make_url("/"))})
    adapter: Provider = registry.PLUGINS[provider].provider(settings, CallLimits(timeout_s, 1))
    await adapter.start()
    try:
        return await adapter.perform(request or a_call(provider, action))
    finally:
        await adapter.close()
        await server.close()
