"""Everything the adapter sends and the sandbox answers, against T-Bank's published OpenAPI document."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from billing.orders import Cart, Contact, Item
from billing.vocabulary import Action, Outcome, Tax
from providers.fiscal import SUBJECTS
from providers.tbank import requests
from providers.tbank.requests import METHODS, SUBJECTS_KNOWN, TAX_CODES, Receipts
from tests.contract.documents import check, operation
from tests.support.factories import an_order
from tests.support.named_providers import TBankWorld, a_charge
from tests.support.sandbox import a_request, running

API = "/tbank"
DOCUMENT = Path(__file__).parents[3] / "shared" / "contracts" / "tbank" / "openapi.json"
CONTACT = Contact("viewer@cinema.example", "+79000000000")
#: The document of 2025 has no rates of 2026.
NEWER_TAXES = {Tax.VAT_22, Tax.VAT_22_122}
pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="the providers' documents are not part of the project")


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return found


def schema_of(content: dict[str, Any]) -> Any:
    return content["content"]["application/json"]["schema"]


@pytest.fixture
async def world(tmp_path):
    async with running(TBankWorld(tmp_path)) as world:
        yield world


@pytest.fixture
async def between(world: TBankWorld):
    """A relay between adapter and sandbox that checks what passes against the document."""
    document()  # reading it takes longer than a call may
    seen: list[str] = []

    async def relay(request: web.Request) -> web.Response:
        body = await request.read()
        path = request.path.removeprefix(API)
        described = operation(document(), "post", path)
        check(schema_of(described["requestBody"]), json.loads(body), document())
        async with ClientSession() as http, http.post(f"{world.url}{request.path}", data=body) as answer:
            content, status = await answer.read(), answer.status
        said = json.loads(content)
        if said["Success"]:
            check(schema_of(described["responses"]["200"]), said, document())
        seen.append(f"{path.rpartition('/')[2]} {said['ErrorCode']}")
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


async def test_one_stage_with_refunds_follows_the_document(world, between):
    request = await world.settled(60_000, 30_000, 10_000)
    refund = world.about(request, Action.REFUND, 10_000, refundable_before=100_000, contact=CONTACT)
    returned = msgspec.structs.replace(refund, refunded_cart=Cart(request.order.cart.items[2:]))
    assert (await world.adapter.perform(returned)).outcome is Outcome.SUCCEEDED
    rest = world.about(request, Action.REFUND, 90_000, refundable_before=90_000)
    assert (await world.adapter.perform(rest)).outcome is Outcome.SUCCEEDED
    assert (await world.ask_for(request, Action.INQUIRE)).outcome is Outcome.SUCCEEDED
    assert between == ["Init 0", "Cancel 0", "Cancel 0", "GetState 0"]


async def test_two_stages_follow_the_document(world, between):
    captured = await world.hold(60_000, 40_000)
    part = world.about(captured, Action.CAPTURE, 60_000, cart=Cart(captured.order.cart.items[:1]), contact=CONTACT)
    await world.adapter.perform(part)
    voided = await world.hold(5_000)
    await world.ask_for(voided, Action.VOID)
    await world.ask_for(voided, Action.ROLLBACK)
    assert between == ["Init 0", "Confirm 0", "Init 0", "Cancel 0", "GetState 0"]


async def test_saved_methods_and_searches_follow_the_document(world, between):
    saved = await world.settled(29_900, save_method=True)
    rebill_id = next(said.observed.method_ref for said in world.said(saved) if said.observed.method_ref)
    charge = a_charge("tbank", rebill_id)
    assert (await world.adapter.perform(charge)).outcome is Outcome.SUCCEEDED
    lost = world.about(charge, Action.INQUIRE)  # under our operation's id, T-Bank's name never came
    assert (await world.adapter.perform(lost)).outcome is Outcome.SUCCEEDED
    assert between == ["Init 0", "CheckOrder 255", "Init 0", "Charge 0", "CheckOrder 0", "GetState 0"]


async def test_notifications_follow_the_document(world):
    held = await world.hold(60_000, save_method=True)
    await world.ask_for(held, Action.CAPTURE)
    await world.ask_for(held, Action.REFUND, refundable_before=60_000)
    voided = await world.hold(5_000)
    await world.ask_for(voided, Action.VOID)
    await world.until(lambda: len(world.tokens) == 5)
    schema = document()["components"]["schemas"]["NotificationPayment"]
    for body in map(json.loads, world.tokens):
        # The schema has it in capitals; the text says that it comes as ``Data``.
        assert body.pop("Data")
        check(schema, body, document())
    assert set(world.notified()) == {"AUTHORIZED", "CONFIRMED", "REFUNDED", "REVERSED"}


@pytest.mark.parametrize(
    "items",
    [
        [Item(f"film-{tax}", "Film", 1, 100, tax=tax) for tax in sorted(set(TAX_CODES) - NEWER_TAXES)],
        [Item(f"film-{n}", "Film", 1, 100, subject=n) for n in range(1, SUBJECTS_KNOWN + 1)],
        [Item(f"film-{n}", "Film", 1, 100, method=n) for n in range(1, len(METHODS) + 1)],
        [Item("film-1", "Film " * 40, 3, 100)],
    ],
    ids=["taxes", "subjects", "methods", "a long title"],
)
async def test_every_code_of_a_receipt_follows_the_document(world, between, items):
    cart = Cart(tuple(items))
    order = msgspec.structs.replace(an_order(), cart=cart, amount=cart.total, contact=CONTACT)
    result = await world.adapter.perform(a_request(order=order, provider="tbank"))
    assert (result.outcome, between) == (Outcome.PENDING, ["Init 0"])


def test_every_rate_in_force_has_a_code_and_those_of_the_document_are_the_documents():
    known = document()["components"]["schemas"]["Items_FFD_105"]["properties"]["Tax"]["enum"]
    assert set(TAX_CODES) == set(Tax)
    assert {code for tax, code in TAX_CODES.items() if tax not in NEWER_TAXES} == set(known)


def test_the_subjects_that_the_document_knows_are_the_first_of_all():
    known = document()["components"]["schemas"]["Items_FFD_105"]["properties"]["PaymentObject"]["enum"]
    assert set(SUBJECTS[:SUBJECTS_KNOWN]) == set(known)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.pop("OrderId"),
        lambda body: body.update(Amount="100"),
        lambda body: body.update(PayType="X"),
        lambda body: body.update(Recurring="Y"),
        lambda body: body.update(Description="x" * 141),
        lambda body: body["Receipt"].update(Taxation="none"),
        lambda body: body["Receipt"]["Items"][0].update(Tax="vat21"),
    ],
)
def test_the_check_itself_sees_a_request_that_is_wrong(spoil):
    schema = schema_of(operation(document(), "post", "/v2/Init")["requestBody"])
    order = msgspec.structs.replace(an_order(), contact=CONTACT)
    body = requests.init(a_request(order=order, provider="tbank"), Receipts("osn", TAX_CODES))
    body |= {"TerminalKey": "1700000000000DEMO", "Token": "0" * 64}
    check(schema, body, document())
    spoil(body)
    with pytest.raises(AssertionError):
        check(schema, body, document())
