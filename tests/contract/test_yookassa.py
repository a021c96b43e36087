"""Everything the adapter sends and the sandbox answers, against YooKassa's published OpenAPI document."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from billing.orders import Cart, Contact, Item
from billing.vocabulary import Action, CaptureMode, Outcome, Tax
from providers.yookassa import requests
from providers.yookassa.receipts import MEASURES, MODES, SUBJECTS, TAX_CODES
from tests.contract.documents import check, operation
from tests.support.factories import NOW, an_order
from tests.support.sandbox import a_request, about
from tests.support.yookassa import API, YooKassaWorld, a_charge, a_yookassa_world

DOCUMENT = Path(__file__).parents[3] / "shared" / "contracts" / "yookassa" / "openapi.yaml"
CONTACT = Contact("viewer@cinema.example", "+7 900 000-00-00")
pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="the providers' documents are not part of the project")


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(DOCUMENT.read_text(), yaml.CSafeLoader)
    turned: dict[str, Any] = plain(found, found["components"]["schemas"])
    return turned


def plain(node: Any, schemas: dict[str, Any]) -> Any:
    """The document without what JSON Schema does not know: a discriminator beside ``oneOf`` says which alternative is
    meant where several fit, and what an object is made of (``allOf``) stands in it, so that the whole can be closed."""
    if isinstance(node, list):
        return [plain(part, schemas) for part in node]
    if not isinstance(node, dict):
        return node
    turned = {key: plain(part, schemas) for key, part in node.items() if key != "discriminator"}
    if "oneOf" in turned and "discriminator" in node:
        turned["anyOf"] = turned.pop("oneOf")
    if "allOf" in turned:
        turned["allOf"] = [
            plain(schemas[part["$ref"].rsplit("/", 1)[1]], schemas) if "$ref" in part else part
            for part in turned["allOf"]
        ]
    return turned


def schema_of(described: dict[str, Any], status: int) -> Any:
    response = described["responses"][str(status)]
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    return response["content"]["application/json"]["schema"]


@pytest.fixture
async def world(tmp_path):
    async with a_yookassa_world(tmp_path) as world:
        yield world


@pytest.fixture
async def between(world: YooKassaWorld):
    """A relay between adapter and sandbox that checks what passes against the document."""
    document()  # reading it takes longer than a call may
    seen: list[str] = []

    async def relay(request: web.Request) -> web.Response:
        body = await request.read()
        path = request.path.removeprefix(API)
        described = operation(document(), request.method.lower(), path)
        if request.method == "POST":
            assert 1 <= len(request.headers["Idempotence-Key"]) <= 64
        if "requestBody" in described:
            check(described["requestBody"]["content"]["application/json"]["schema"], json.loads(body), document())
        headers = {
            name: request.headers[name] for name in ("Authorization", "Idempotence-Key") if name in request.headers
        }
        async with (
            ClientSession() as http,
            http.request(request.method, f"{world.url}{request.path_qs}", data=body, headers=headers) as answer,
        ):
            content, status = await answer.read(), answer.status
        check(schema_of(described, status), json.loads(content), document())
        seen.append(f"{request.method} {status}")
        return web.Response(status=status, body=content, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", relay)
    server = TestServer(app)
    await server.start_server()
    await world.adapter.close()
    world.adapter = world.make_adapter(url=str(server.make_url(API)))
    await world.adapter.start()
    yield seen
    await server.close()


async def test_one_stage_with_refunds_speaks_the_documents_language(world, between):
    request = await world.confirmed(60_000, 30_000, 10_000)
    refund = about(request, Action.REFUND, 10_000)
    returned = msgspec.structs.replace(refund, refunded_cart=Cart(request.order.cart.items[2:]), contact=CONTACT)
    assert (await world.adapter.perform(returned)).outcome is Outcome.SUCCEEDED
    assert (await world.adapter.perform(about(request, Action.REFUND, 90_000))).outcome is Outcome.SUCCEEDED
    assert (await world.inquire(request)).outcome is Outcome.SUCCEEDED
    assert between == ["POST 200", "POST 200", "POST 200", "GET 200", "GET 200"]


async def test_two_stages_speak_the_documents_language(world, between):
    captured = await world.hold(60_000, 40_000)
    part = about(captured, Action.CAPTURE, 60_000, Cart(captured.order.cart.items[:1]))
    await world.adapter.perform(msgspec.structs.replace(part, contact=CONTACT))
    voided = await world.hold(5_000)
    await world.adapter.perform(about(voided, Action.VOID))
    await world.inquire(voided)
    assert between == ["POST 200", "POST 200", "POST 200", "POST 200", "GET 200"]


async def test_saved_methods_and_declines_speak_the_documents_language(world, between):
    saved = await world.confirmed(29_900, save_method=True)
    await world.adapter.perform(a_charge(saved.order_ref, an_order(29_900)))
    await world.tell("faults", fault="method_revoked", operation="recur", count=1)
    await world.adapter.perform(a_charge(saved.order_ref, an_order(29_900)))
    declined = await world.open(100_00)
    await world.customer(declined, "decline")
    await world.inquire(declined)
    assert len(between) == 5


async def test_refusals_and_searches_speak_the_documents_language(world, between):
    request = await world.open(10_000)
    await world.adapter.perform(about(request, Action.CAPTURE))
    unknown = msgspec.structs.replace(request, order_ref="00000000-0000-0000-0000-000000000000")
    search = msgspec.structs.replace(about(unknown, Action.INQUIRE), opened_at=NOW)
    assert (await world.adapter.perform(search)).reason == "order_not_found"
    assert between == ["POST 200", "POST 400", "GET 404", "GET 200"]


async def test_refunds_under_way_and_failed_speak_the_documents_language(world, between):
    request = await world.confirmed(20_000)
    for fault, outcome in (("refund_later", Outcome.PENDING), ("refund_fails_later", Outcome.PENDING)):
        await world.tell("faults", fault=fault, operation="refund", count=1)
        assert (await world.adapter.perform(about(request, Action.REFUND, 10_000))).outcome is outcome
    await world.inquire(request)
    assert len(between) == 5


async def test_notifications_carry_the_documents_objects(world):
    held = await world.hold(60_000)
    await world.adapter.perform(about(held, Action.CAPTURE))
    await world.adapter.perform(about(held, Action.REFUND))
    voided = await world.hold(5_000)
    await world.adapter.perform(about(voided, Action.VOID))
    await world.until(lambda: len(world.tokens) == 5)
    schemas = document()["components"]["schemas"]
    events = set()
    for body in map(json.loads, world.tokens):
        assert set(body) == {"type", "event", "object"}
        check(schemas["Refund" if body["event"].startswith("refund") else "Payment"], body["object"], document())
        events.add(body["event"])
    assert events == {"payment.waiting_for_capture", "payment.succeeded", "refund.succeeded", "payment.canceled"}
    assert events < set(schemas["NotificationEventType"]["enum"])


def test_every_rate_in_force_has_a_code():
    assert set(TAX_CODES) == set(Tax)


@pytest.mark.parametrize(
    "items",
    [
        [Item(f"film-{tax}", "Film", 1, 100, tax=tax) for tax in TAX_CODES],
        [Item(f"film-{n}", "Film", 1, 100, subject=n) for n in range(1, len(SUBJECTS) + 1)],
        [Item(f"film-{n}", "Film", 1, 100, method=n) for n in range(1, len(MODES) + 1)],
        [Item(f"film-{n}", "Film " * 40, 3, 100, measure=n) for n in MEASURES],
    ],
    ids=["taxes", "subjects", "modes", "measures and a long title"],
)
async def test_every_code_of_a_receipt_speaks_the_documents_language(world, between, items):
    cart = Cart(tuple(items))
    order = msgspec.structs.replace(an_order(), cart=cart, amount=cart.total, contact=CONTACT)
    result = await world.adapter.perform(a_request(order=order, provider="yookassa"))
    assert (result.outcome, between) == (Outcome.PENDING, ["POST 200"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.pop("amount"),
        lambda body: body["amount"].update(value=599.0),
        lambda body: body.update(capture="yes"),
        lambda body: body.update(saved=True),
        lambda body: body.update(description="x" * 129),
        lambda body: body["receipt"]["items"][0].update(vat_code=13),
        lambda body: body["receipt"]["items"][0].update(payment_mode="later"),
    ],
)
def test_the_check_itself_sees_a_request_that_is_wrong(spoil):
    schema = operation(document(), "post", "/payments")["requestBody"]["content"]["application/json"]["schema"]
    order = msgspec.structs.replace(an_order(), contact=CONTACT)
    body = requests.create(a_request(order=order, capture_mode=CaptureMode.TWO_STAGE), TAX_CODES)
    check(schema, body, document())
    spoil(body)
    with pytest.raises(AssertionError):
        check(schema, body, document())
