"""What the adapter sends and the sandbox answers, against the types that Stripe publishes in its library, and what the
adapter sends at stripe-mock.

The library is made from Stripe's OpenAPI document: its ``…Params`` are what each call takes, its objects what is
answered. Stripe-mock has the document itself, and checks parameters more closely than types do.
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
import pytest
import stripe
import stripe.params
import stripe.params.checkout
import typing_extensions
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from typing_extensions import get_type_hints, is_typeddict

from billing.orders import Contact
from billing.vocabulary import Action, CaptureMode, Outcome
from providers.reading import read_json
from providers.stripe import requests
from providers.stripe.objects import Page, PaymentIntent, Refund, Session
from providers.stripe.statements import BalanceTransaction
from tests.contract import stripe_mock
from tests.support.factories import NOW, an_order
from tests.support.named_providers import StripeWorld, a_charge
from tests.support.sandbox import a_request, running
from tests.support.statements import day_read

API = "/stripe"
#: Call → the parameters that it takes.
PARAMETERS: dict[tuple[str, str], Any] = {
    ("POST", "checkout/sessions"): stripe.params.checkout.SessionCreateParams,
    ("GET", "checkout/sessions"): stripe.params.checkout.SessionListParams,
    ("GET", "checkout/sessions/{id}"): stripe.params.checkout.SessionRetrieveParams,
    ("POST", "checkout/sessions/{id}/expire"): stripe.params.checkout.SessionExpireParams,
    ("POST", "payment_intents"): stripe.params.PaymentIntentCreateParams,
    ("GET", "payment_intents"): stripe.params.PaymentIntentListParams,
    ("GET", "payment_intents/{id}"): stripe.params.PaymentIntentRetrieveParams,
    ("POST", "payment_intents/{id}/capture"): stripe.params.PaymentIntentCaptureParams,
    ("POST", "payment_intents/{id}/cancel"): stripe.params.PaymentIntentCancelParams,
    ("POST", "refunds"): stripe.params.RefundCreateParams,
    ("GET", "refunds"): stripe.params.RefundListParams,
    ("GET", "balance_transactions"): stripe.params.BalanceTransactionListParams,
}
#: ``object`` of an answer → its type.
OBJECTS: dict[str, Any] = {
    "balance_transaction": stripe.BalanceTransaction,
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "payment_intent": stripe.PaymentIntent,
    "refund": stripe.Refund,
}
#: Resource → how we read it.
READ: dict[str, Any] = {
    "sessions": Session,
    "payment_intents": PaymentIntent,
    "refunds": Refund,
    "balance_transactions": BalanceTransaction,
}
#: When a value is of a scalar type; numbers and booleans come as text in a form.
SCALARS: dict[Any, Callable[[Any], bool]] = {
    int: lambda value: not isinstance(value, bool) and str(value).lstrip("-").isdecimal(),
    bool: lambda value: value in (True, False, "true", "false"),
    str: lambda value: isinstance(value, str),
    NoneType: lambda value: value is None,
}
T = TypeVar("T")


class Unknown(Generic[T]):
    """A type that the library imports for type checkers only: anything fits."""


@cache
def hints(cls: Any) -> dict[str, Any]:
    """The types of a class' members; what the library imports for type checkers only is ``Unknown``."""
    unknown: dict[str, Any] = {}
    for _ in range(100):
        try:
            return get_type_hints(cls, localns=unknown)
        except NameError as error:
            unknown[error.name] = getattr(typing_extensions, error.name, Unknown)
    raise AssertionError(f"{cls}: {sorted(unknown)}")


def errors(value: Any, hint: Any, path: str = "$") -> Iterator[str]:
    """Why ``value`` is not of the type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal or hint in SCALARS:
        if not (value in arguments if origin is Literal else SCALARS[hint](value)):
            yield f"{path}: {value!r} is not {hint}"
    elif origin is list:
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            yield from errors(item, arguments[0], f"{path}[{number}]")
    elif origin in (Union, UnionType):
        found = [list(errors(value, one, path)) for one in arguments]
        yield from min(found, key=len)
    elif is_typeddict(hint):
        yield from members(value, hint, path, hint.__required_keys__)
    elif isinstance(hint, type) and issubclass(hint, stripe.StripeObject):
        yield from members(value, hint, path, frozenset())


def members(value: Any, hint: Any, path: str, required: frozenset[str]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no object"
        return
    known = hints(hint)
    yield from (f"{path}: {name} is missing" for name in sorted(required - value.keys()))
    for name, item in value.items():
        if name not in known:
            yield f"{path}: {name} is not known"
        else:
            yield from errors(item, known[name], f"{path}.{name}")


def check(value: Any, hint: Any) -> None:
    found = list(errors(value, hint))
    assert not found, found


def form(text: str) -> dict[str, Any]:
    """A form with brackets, read as Stripe's reference describes it."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)):
        first, *rest = name.replace("]", "").split("[")
        node, key = root, first
        for part in rest:
            node = node.setdefault(key, {})
            key = part
        node[key] = value
    listed: dict[str, Any] = lists(root)
    return listed


def lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key == "" or key.isdecimal() for key in node):
        return [lists(item) for item in node.values()]
    return {key: lists(item) for key, item in node.items()}


def check_answer(value: dict[str, Any]) -> None:
    if value["object"] == "list":
        for row in value["data"]:
            check_answer(row)
    else:
        check(value, OBJECTS[value["object"]])


@pytest.fixture
async def world(tmp_path):
    async with running(StripeWorld(tmp_path)) as world:
        yield world


Check = Callable[[web.Request, str, str, bytes | None], Awaitable[None]]
"""Of a request with its body, the call that it is, and its answer: ``None`` for a refusal."""


async def check_types(request: web.Request, body: str, call: str, answer: bytes | None) -> None:
    """Against the library's types."""
    check(form(body if request.method == "POST" else request.query_string), PARAMETERS[request.method, call])
    if answer is not None:
        check_answer(json.loads(answer))


def at_stripe_mock(url: str) -> Check:
    """Stripe-mock takes the same request, and its answer can be read."""

    async def check_call(request: web.Request, body: str, call: str, _answer: bytes | None) -> None:
        status, content = await ask_mock(url, request.method, request.path_qs.removeprefix(API), body)
        assert status == 200, content
        resource = call.split("/{id}", maxsplit=1)[0].rsplit("/", 1)[-1]
        objects = [content] if request.method == "POST" or "{id}" in call else read_json(content, Page).items
        for row in objects:
            read_json(row, READ[resource])

    return check_call


async def ask_mock(url: str, method: str, path: str, body: str) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {stripe_mock.KEY}", "Content-Type": "application/x-www-form-urlencoded"}
    async with (
        ClientSession() as http,
        http.request(method, f"{url}{path}", data=body or None, headers=headers) as said,
    ):
        return said.status, await said.read()


@pytest.fixture(scope="session")
async def mock_url():
    if not stripe_mock.PROGRAM.exists():
        pytest.skip("stripe-mock is not built: make stripe-mock builds it where Go is there")
    async with stripe_mock.running() as url:
        yield url


@pytest.fixture(params=["the library's types", "stripe-mock"])
def checked(request: pytest.FixtureRequest) -> Check:
    return check_types if request.param != "stripe-mock" else at_stripe_mock(request.getfixturevalue("mock_url"))


@pytest.fixture
async def between(world: StripeWorld, checked: Check):
    """A relay between adapter and sandbox that checks what passes."""
    seen: list[str] = []

    async def relay(request: web.Request) -> web.Response:
        body = await request.text()
        path = request.path.removeprefix(f"{API}/v1/")
        first, *rest = path.split("/")
        shown = f"{first}/{rest[0]}" if first == "checkout" else first
        rest = rest[1:] if first == "checkout" else rest
        call = "/".join([shown, *(["{id}"] if rest else []), *rest[1:]])
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
        async with (
            ClientSession() as http,
            http.request(request.method, f"{world.url}{request.path_qs}", data=body or None, headers=headers) as answer,
        ):
            content, status = await answer.read(), answer.status
        await checked(request, body, call, content if status == 200 else None)
        seen.append(f"{request.method} {call} {status}")
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


SESSION, INTENT = "checkout/sessions", "payment_intents"


async def test_one_stage_with_refunds_speaks_stripes_language(world, between):
    request = await world.settled(60_000, 40_000)
    assert (await world.ask_for(request, Action.REFUND, 10_000)).outcome is Outcome.SUCCEEDED
    assert (await world.ask_for(request, Action.ROLLBACK)).outcome is Outcome.PENDING
    inquiry = await world.ask_for(request, Action.INQUIRE)
    assert (inquiry.outcome, inquiry.observed.status) == (Outcome.SUCCEEDED, "REFUNDED")
    read = f"GET {SESSION}/{{id}} 200"
    assert between == [
        f"POST {SESSION} 200", read, "POST refunds 200", read, "POST refunds 200", read, "GET refunds 200",
    ]  # fmt: skip


async def test_two_stages_speak_stripes_language(world, between):
    captured = await world.hold(60_000)
    assert (await world.ask_for(captured, Action.CAPTURE, 50_000)).outcome is Outcome.SUCCEEDED
    voided = await world.hold(5_000)
    assert (await world.ask_for(voided, Action.VOID)).outcome is Outcome.SUCCEEDED
    unpaid = await world.open(5_000)
    assert (await world.ask_for(unpaid, Action.ROLLBACK)).outcome is Outcome.SUCCEEDED
    writes = [line for line in between if line.startswith("POST")]
    assert writes == [
        f"POST {SESSION} 200", f"POST {INTENT}/{{id}}/capture 200", f"POST {SESSION} 200",
        f"POST {INTENT}/{{id}}/cancel 200", f"POST {SESSION} 200", f"POST {SESSION}/{{id}}/expire 200",
    ]  # fmt: skip


async def test_saved_methods_searches_and_statements_speak_stripes_language(world, between):
    saved = await world.settled(29_900, save_method=True)
    method = next(said.observed.method_ref for said in world.said(saved) if said.observed.method_ref)
    charge = a_charge("stripe", method)
    assert (await world.adapter.perform(charge)).outcome is Outcome.SUCCEEDED
    lost = world.about(charge, Action.INQUIRE)  # under our operation's id, Stripe's name never came
    assert (await world.adapter.perform(lost)).outcome is Outcome.SUCCEEDED
    today = datetime.now(UTC).date()
    assert len(await day_read(world.adapter, today)) == 2
    hours = 24
    assert between[-3 - hours :] == [
        f"GET {SESSION} 200", f"GET {INTENT} 200", "GET refunds 200", *["GET balance_transactions 200"] * hours,
    ]  # fmt: skip


async def test_events_carry_the_librarys_objects(world):
    held = await world.hold(60_000)
    await world.ask_for(held, Action.CAPTURE)
    await world.ask_for(held, Action.REFUND)
    await world.until(lambda: "charge.refunded" in world.events())
    for body in map(json.loads, world.tokens):
        event = dict(body)
        check(event.pop("data"), stripe.Event.Data)
        check_answer(body["data"]["object"])
        check(event, stripe.Event)


SPOILT: list[Callable[[Any], object]] = [
    lambda body: body.update(mode=["payment"]),
    lambda body: body.update(success="https://cinema.example"),
    lambda body: body["line_items"][0]["price_data"].pop("currency"),
    lambda body: body["line_items"][0].update(quantity="one"),
    lambda body: body.update(line_items="film"),
]
#: Stripe-mock does not see a parameter inside of another that the document does not have.
SEEN_BY_TYPES_ONLY: list[Callable[[Any], object]] = [
    lambda body: body["payment_intent_data"].update(capture="manual"),
]


def a_checkout() -> dict[str, Any]:
    order = msgspec.structs.replace(an_order(), contact=Contact("viewer@cinema.example", None))
    return requests.checkout(
        a_request(order=order, provider="stripe", capture_mode=CaptureMode.TWO_STAGE, opened_at=NOW)
    )


@pytest.mark.parametrize("spoil", [*SPOILT, *SEEN_BY_TYPES_ONLY])
def test_the_check_itself_sees_a_request_that_is_wrong(spoil):
    body = form(requests.encode(a_checkout()))
    check(body, stripe.params.checkout.SessionCreateParams)
    spoil(body)
    with pytest.raises(AssertionError):
        check(body, stripe.params.checkout.SessionCreateParams)


@pytest.mark.parametrize("spoil", SPOILT)
async def test_stripe_mock_itself_refuses_a_request_that_is_wrong(mock_url, spoil):
    body = a_checkout()
    assert (await ask_mock(mock_url, "POST", "/v1/checkout/sessions", requests.encode(body)))[0] == 200
    spoil(body)
    assert (await ask_mock(mock_url, "POST", "/v1/checkout/sessions", requests.encode(body)))[0] == 400
