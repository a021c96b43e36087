"""Answers that a gateway, a broken connection or another version of the provider's API gives, at each provider."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from aiohttp import web

from billing.orders import Cart, Contact, Item
from billing.vocabulary import Action, Outcome, PaymentStatus
from providers import registry
from tests.support.factories import an_order
from tests.support.provider_answers import THEIRS, a_call, answered

PROVIDERS = sorted(registry.PLUGINS)
ACTIONS = [Action.CREATE, Action.REFUND, Action.INQUIRE]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("status", "body", "headers", "reason"),
    [
        (502, b"<html>Bad Gateway</html>", {}, "http_502"),
        (504, b"", {}, "http_504"),
        (302, b"", {"Location": "/elsewhere"}, "http_302"),
        (200, b"<html>Please wait</html>", {}, "unreadable_answer"),
        (200, b"", {}, "unreadable_answer"),
        (200, b'{"status":"succ', {}, "unreadable_answer"),
    ],
    ids=["bad gateway", "no time", "redirect", "page", "empty", "cut"],
)
async def test_what_is_not_the_providers_answer_leaves_the_outcome_unknown(
    provider, action, status, body, headers, reason
):
    result = await answered(provider, action, body, status, **headers)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, reason)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_that_trickles_past_the_deadline_leaves_the_outcome_unknown(provider):
    over = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not over.is_set():
            await response.write(b" ")
            await asyncio.sleep(0.06)
        return response

    result = await answered(provider, Action.REFUND, trickle, timeout_s=0.5)
    over.set()
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "timeout")


def a_payment(**changes: Any) -> dict[str, Any]:
    amount = {"value": "599.00", "currency": "RUB"}
    return {"id": THEIRS, "status": "succeeded", "amount": amount, "paid": True, "metadata": None} | changes


@pytest.mark.parametrize(
    ("amount", "is_read"),
    [("599.00", True), ("599.0", True), ("599", True), (599.0, False), ("5.99e2", False), (None, False)],
)
async def test_an_amount_is_read_exactly_or_not_at_all(amount, is_read):
    refunded = {"value": amount, "currency": "RUB"}
    payment = a_payment(refunded_amount=refunded, test="false", captured_at="2026-11-23T12:00:00Z")
    result = await answered("yookassa", Action.INQUIRE, [payment, {"type": "list", "items": []}])
    if is_read:
        assert result.observed is not None
        assert result.observed.status is PaymentStatus.REFUNDED
    else:
        assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "unreadable_answer")


@pytest.mark.parametrize(
    ("provider", "answer"),
    [
        ("yandex-pay", {"status": "success", "data": {"order": {"paymentStatus": "TO_BE_INVENTED"}}}),
        ("yookassa", a_payment(status="to_be_invented")),
        ("tbank", {"Success": True, "ErrorCode": "0", "Status": "TO_BE_INVENTED", "PaymentId": "1"}),
    ],
)
async def test_an_unknown_status_decides_nothing(provider, answer):
    assert (await answered(provider, Action.INQUIRE, answer)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("provider", "answer"),
    [
        ("yandex-pay", {"status": "success", "data": {"order": {"paymentStatus": "CAPTURED", "new": [{}]}, "new": 1}}),
        ("yookassa", a_payment(new={"member": [1, None]}, test="true")),
        ("tbank", {"Success": True, "ErrorCode": "0", "Status": "CONFIRMED", "PaymentId": 1, "New": {"a": None}}),
    ],
)
async def test_members_that_we_do_not_know_are_left_alone(provider, answer):
    empty = {"type": "list", "items": []}
    result = await answered(provider, Action.INQUIRE, [answer, empty] if provider == "yookassa" else answer)
    assert result.observed is not None
    assert result.observed.status is PaymentStatus.CAPTURED


TITLE = 'Кино 🎬 «Сталкер» \u05e9\u05dc\u05d5\u05dd \U00020000 & "quotes" <b>'


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_title_in_any_script_is_sent_unchanged(provider):
    cart = Cart((Item("film-1", TITLE, 1, 59_900),))
    order = msgspec.structs.replace(an_order(59_900), cart=cart, contact=Contact("viewer@cinema.example"))
    request = msgspec.structs.replace(a_call(provider, Action.CREATE), order=order)
    heard: list[bytes] = []
    await answered(provider, Action.CREATE, b"", request=request, heard=heard)
    (body,) = heard
    if provider == "stripe":
        title = parse_qs(body.decode())["line_items[0][price_data][product_data][name]"][0]
    else:
        sent = json.loads(body)
        title = {
            "yandex-pay": lambda: sent["cart"]["items"][0]["title"],
            "yookassa": lambda: sent["receipt"]["items"][0]["description"],
            "tbank": lambda: sent["Receipt"]["Items"][0]["Name"],
        }[provider]()
    assert title == TITLE
