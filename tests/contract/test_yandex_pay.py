"""Everything the adapter sends and the sandbox answers, against Yandex Pay's published OpenAPI documents."""

import json
import re
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from billing.messages import ProviderRequest
from billing.orders import Cart, Item
from billing.vocabulary import Action, Outcome, Tax
from providers import registry
from providers.base import CallbackRejected
from providers.sandbox.customer_behaviour import visit
from providers.sandbox.server import Sandbox
from providers.yandex_pay import requests
from providers.yandex_pay.requests import TAX_CODES
from runtime.settings import Settings
from tests.contract.documents import check, operation
from tests.support.factories import an_order
from tests.support.sandbox import a_request, a_world, about

CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts" / "yandex_pay"
ORDERS = "/api/merchant/v1/orders"
pytestmark = pytest.mark.skipif(not CONTRACTS.exists(), reason="the providers' documents are not part of the project")


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONTRACTS / name).read_text())
    return found


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture
async def between(world):
    """A relay between adapter and sandbox that checks what passes against the document."""
    payment = document("payment.openapi.json")
    seen: list[str] = []

    async def relay(request: web.Request) -> web.Response:
        body = await request.read()
        path = request.path.removeprefix("/yandex-pay")
        described = operation(payment, request.method.lower(), path)
        if "requestBody" in described:
            schema = described["requestBody"]["content"]["application/json"]["schema"]
            check(schema, json.loads(body or b"{}"), payment)
        async with (
            ClientSession() as http,
            http.request(
                request.method,
                f"http://127.0.0.1:{world.sandbox_port}{request.path}",
                data=body,
                headers={"Authorization": request.headers["Authorization"], "X-Request-Id": "1"},
            ) as answer,
        ):
            content, status = await answer.read(), answer.status
        if status == 200:
            check(described["responses"]["200"]["content"]["application/json"]["schema"], json.loads(content), payment)
        seen.append(f"{request.method} {described.get('operationId', path)}")
        return web.Response(status=status, body=content, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", relay)
    server = TestServer(app)
    await server.start_server()
    await world.adapter.close()
    world.adapter = world.make_adapter(url=str(server.make_url("/yandex-pay")))
    await world.adapter.start()
    yield seen
    await server.close()


async def opened(world, *prices: int, **fields: Any) -> ProviderRequest:
    (mode,) = world.adapter.capabilities.capture_modes
    request = a_request(order=an_order(*prices), capture_mode=mode, **fields)
    result = await world.adapter.perform(request)
    assert result.payment_url is not None, result
    async with ClientSession() as http:
        await visit(http, result.payment_url, "pay")
    return request


async def test_one_stage_with_refunds_speaks_the_documents_language(world, between):
    request = await opened(world, 60_000, 30_000, 10_000)
    assert request.order is not None
    items = request.order.cart.items
    await world.adapter.perform(about(request, Action.REFUND, 10_000, Cart(items[:2])))
    await world.until(lambda: "PARTIALLY_REFUNDED" in world.statuses())
    await world.adapter.perform(about(request, Action.REFUND, 90_000))
    await world.adapter.perform(about(request, Action.INQUIRE))
    await world.adapter.perform(about(request, Action.ROLLBACK))
    assert len(between) == 5


async def test_two_stages_speak_the_documents_language(world, between):
    await world.tell("merchant", two_stage=True)
    captured = await opened(world, 60_000, 40_000)
    assert captured.order is not None
    await world.adapter.perform(about(captured, Action.CAPTURE, 60_000, Cart(captured.order.cart.items[:1])))
    whole = await opened(world, 60_000, 40_000)
    await world.adapter.perform(about(whole, Action.CAPTURE))
    voided = await opened(world, 5_000)
    await world.adapter.perform(about(voided, Action.VOID))
    await world.adapter.perform(about(voided, Action.INQUIRE))
    assert len(between) == 7


async def test_an_order_opened_again_and_a_declined_one_speak_the_documents_language(world, between):
    request = a_request()
    await world.adapter.perform(request)
    result = await world.adapter.perform(request)
    assert result.payment_url is not None
    async with ClientSession() as http:
        await visit(http, result.payment_url, "decline")
    assert (await world.adapter.perform(about(request, Action.INQUIRE))).outcome is Outcome.SUCCEEDED
    assert len(between) == 3


async def test_webhooks_speak_the_documents_language(world):
    whole = document("merchant.openapi.json")
    schema = operation(whole, "post", "/v1/webhook")["requestBody"]["content"]["application/json"]["schema"]
    request = await opened(world, 60_000, save_method=True)
    await world.adapter.perform(about(request, Action.REFUND))
    await world.until(lambda: "REFUNDED" in world.statuses())
    events = [
        json.loads(jwt.PyJWS().decode_complete(t, options={"verify_signature": False})["payload"]) for t in world.tokens
    ]
    assert {event["event"] for event in events} == {
        "ORDER_STATUS_UPDATED",
        "OPERATION_STATUS_UPDATED",
        "SUBSCRIPTION_STATUS_UPDATED",
    }
    for event in events:
        check(schema, event, whole)


async def test_what_we_answer_a_webhook_speaks_the_documents_language(world):
    whole = document("merchant.openapi.json")
    answers = operation(whole, "post", "/v1/webhook")["responses"]
    await opened(world, 60_000)
    await world.until(lambda: bool(world.tokens))
    verified = await world.verifier.verify({}, world.tokens[0])
    check(answers["200"]["content"]["application/json"]["schema"], json.loads(verified.response), whole)
    with pytest.raises(CallbackRejected) as rejected:
        await world.verifier.verify({}, b"garbage")
    check(answers["400"]["content"]["application/json"]["schema"], json.loads(rejected.value.body), whole)


#: The document of 2023 has no rates of later years.
NEWER_TAXES = {Tax.VAT_5, Tax.VAT_7, Tax.VAT_5_105, Tax.VAT_7_107, Tax.VAT_22, Tax.VAT_22_122}


def test_every_rate_in_force_has_a_code_of_its_own():
    assert set(TAX_CODES) == set(Tax)
    assert sorted(TAX_CODES.values()) == list(range(1, 13))


def test_the_rates_of_2025_have_yandex_pays_codes_not_those_of_tag_1199():
    """Table 1 of https://pay.yandex.ru/docs/ru/custom/fns."""
    assert [tax for tax, code in TAX_CODES.items() if 7 <= code <= 10] == [
        Tax.VAT_7, Tax.VAT_5, Tax.VAT_7_107, Tax.VAT_5_105,
    ]  # fmt: skip


@pytest.mark.parametrize("tax", sorted(set(TAX_CODES) - NEWER_TAXES))
async def test_every_tax_code_and_a_long_title_speak_the_documents_language(world, between, tax):
    cart = Cart((Item("film-1", "A film with a title that is far longer than a purpose may be", 1, 59_900, tax=tax),))
    request = a_request(order=msgspec.structs.replace(an_order(59_900), cart=cart))
    assert (await world.adapter.perform(request)).outcome is Outcome.PENDING
    assert len(between) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.pop("orderId"),
        lambda body: body.update(currencyCode="USD"),
        lambda body: body.update(orderID="misspelt"),
        lambda body: body.update(purpose="x" * 31),
        lambda body: body["cart"]["total"].update(amount=599.0),
        lambda body: body["cart"]["items"][0]["receipt"].update(tax=7),
    ],
)
def test_the_check_itself_sees_a_request_that_is_wrong(spoil):
    payment = document("payment.openapi.json")
    schema = operation(payment, "post", ORDERS)["requestBody"]["content"]["application/json"]["schema"]
    body = requests.create(a_request(), TAX_CODES)
    check(schema, body, payment)
    spoil(body)
    with pytest.raises(AssertionError):
        check(schema, body, payment)


def test_the_sandbox_serves_every_call_of_the_document_but_the_first_version_of_refunds(tmp_path):
    def shape(path: str) -> str:
        return re.sub(r"\{\w+\}", "*", path)

    app = Sandbox(Settings(state_dir=tmp_path), registry.read_settings()).app()
    served = {
        (route.method.lower(), shape(route.resource.canonical)) for route in app.router.routes() if route.resource
    }
    described = document("payment.openapi.json")["paths"]
    missing = {
        (method, path)
        for path, methods in described.items()
        for method in methods
        if (method, shape(f"/yandex-pay{path}")) not in served
    }
    assert missing == {("post", f"{ORDERS}/{{order_id}}/refund")}
