"""What the Stripe adapter makes of each answer, and what it asks."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from billing.orders import Cart, Contact, Item
from billing.vocabulary import Action, CaptureMode, Outcome, PaymentStatus
from providers.http import CallLimits
from providers.stripe import Stripe, requests
from providers.stripe.responses import refused
from providers.stripe.settings import StripeSettings
from tests.support.factories import an_order
from tests.support.sandbox import a_request

OPENED_AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Account:
    """A Stripe that gives prepared answers by path, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.answers: dict[str, tuple[int, Any, dict[str, str]]] = {}

    async def handle(self, request: web.Request) -> web.Response:
        body = dict(parse_qsl(await request.text()))
        self.asked.append((request.method, request.path, body, dict(request.headers)))
        status, said, headers = self.answers[request.path]
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        return web.Response(status=status, body=content, headers=headers)

    def says(self, path: str, said: Any, status: int = 200, **headers: str) -> None:
        self.answers[f"/v1/{path}"] = (status, said, headers)


@pytest.fixture
async def account():
    return Account()


@pytest.fixture
async def adapter(account):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", account.handle)
    server = TestServer(app)
    await server.start_server()
    settings = StripeSettings(url=str(server.make_url("/")), secret_key=SecretStr("sk_test"))
    adapter = Stripe(settings, CallLimits(15.0, 64))
    await adapter.start()
    yield adapter
    await adapter.close()
    await server.close()


def an_intent(status: str, **fields: Any) -> dict[str, Any]:
    return {"id": "pi_1", "object": "payment_intent", "status": status} | fields


def an_error(type: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"type": type, "message": "because"} | fields}


@pytest.mark.parametrize(
    ("status", "error", "headers", "outcome", "reason"),
    [
        (402, {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}, {}, Outcome.DECLINED, "insufficient_funds"),
        (402, {"type": "card_error", "code": "expired_card"}, {}, Outcome.DECLINED, "card_expired"),
        (402, {"type": "card_error", "code": "card_declined", "decline_code": "to_be_invented"}, {}, Outcome.DECLINED, "declined"),
        (402, {"type": "card_error", "code": "authentication_required", "decline_code": "authentication_required"}, {}, Outcome.DECLINED, "authentication_required"),
        (400, {"type": "invalid_request_error", "code": "payment_intent_unexpected_state"}, {}, Outcome.DECLINED, "invalid_state"),
        (400, {"type": "invalid_request_error", "code": "to_be_invented"}, {}, Outcome.DECLINED, "invalid_request"),
        (400, {"type": "invalid_request_error"}, {"Stripe-Should-Retry": "true"}, Outcome.NOT_SENT, "provider_busy"),
        (400, {"type": "idempotency_error"}, {}, Outcome.UNKNOWN, "already_known"),
        (400, {"type": "api_error"}, {}, Outcome.UNKNOWN, "http_400"),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}, {}, Outcome.DECLINED, "order_not_found"),
        (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}, {}, Outcome.UNKNOWN, "in_progress"),
        (409, {"type": "invalid_request_error"}, {"Stripe-Should-Retry": "true"}, Outcome.UNKNOWN, "in_progress"),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}, {}, Outcome.NOT_SENT, "rate_limited"),
        (401, {"type": "invalid_request_error"}, {}, Outcome.NOT_SENT, "credentials"),
        (403, {"type": "invalid_request_error"}, {}, Outcome.NOT_SENT, "credentials"),
        (500, {"type": "api_error"}, {"Stripe-Should-Retry": "true"}, Outcome.UNKNOWN, "http_500"),
        (500, {"type": "api_error"}, {"Stripe-Should-Retry": "false"}, Outcome.UNKNOWN, "http_500"),
        (503, {"type": "api_error"}, {}, Outcome.UNKNOWN, "http_503"),
    ],
)  # fmt: skip
def test_a_refusal_is_read_by_its_status_its_code_and_its_advice(status, error, headers, outcome, reason):
    result = refused(status, headers, json.dumps({"error": error}).encode())
    assert result is not None
    assert (result.outcome, result.reason) == (outcome, reason)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"error":"no"}'])
@pytest.mark.parametrize("status", [400, 402, 404])
def test_a_refusal_that_is_not_the_apis_own_leaves_all_open(status, body):
    result = refused(status, {}, body)
    assert result is not None
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "unreadable_answer")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"id":"pi_1","object":"charge","status":"x"}'])
@pytest.mark.parametrize("action", list(Action))
async def test_an_answer_that_is_not_the_apis_own_leaves_all_open_too(adapter, account, action, body):
    for path in ("checkout/sessions", "payment_intents", "payment_intents/pi_1"):
        account.says(path, body)
    request = a_request(action, an_order(500), order_ref="pi_1", saved_method="cus_1/pm_1")
    request = msgspec.structs.replace(request, order=an_order(500))
    result = await adapter.perform(request)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "unreadable_answer")


@pytest.mark.parametrize(
    ("action", "path", "said", "outcome"),
    [
        (Action.CAPTURE, "payment_intents/pi_1/capture", an_intent("succeeded"), Outcome.SUCCEEDED),
        (Action.CAPTURE, "payment_intents/pi_1/capture", an_intent("processing"), Outcome.PENDING),
        (Action.VOID, "payment_intents/pi_1/cancel", an_intent("canceled"), Outcome.SUCCEEDED),
        (Action.REFUND, "refunds", {"id": "re_1", "object": "refund", "status": "succeeded", "amount": 5}, Outcome.SUCCEEDED),
        (Action.REFUND, "refunds", {"id": "re_1", "object": "refund", "status": "pending", "amount": 5}, Outcome.PENDING),
        (Action.REFUND, "refunds", {"id": "re_1", "object": "refund", "status": "failed", "amount": 5}, Outcome.DECLINED),
        (Action.REFUND, "refunds", {"id": "re_1", "object": "refund", "status": "new_word", "amount": 5}, Outcome.PENDING),
    ],
)  # fmt: skip
async def test_an_operation_ends_as_stripe_says(adapter, account, action, path, said, outcome):
    account.says("payment_intents/pi_1", an_intent("requires_capture"))
    account.says(path, said)
    request = a_request(action, order_ref="pi_1", amount=500)
    assert (await adapter.perform(request)).outcome is outcome
    method, _, _, headers = account.asked[-1]
    assert (method, headers["Idempotency-Key"]) == ("POST", str(request.operation_id))
    assert headers["Authorization"] == "Bearer sk_test"


@pytest.mark.parametrize(("status", "outcome"), [("succeeded", Outcome.SUCCEEDED), ("processing", Outcome.PENDING)])
async def test_a_charge_of_a_saved_method_goes_out_with_its_customer(adapter, account, status, outcome):
    account.says("payment_intents", an_intent(status))
    request = a_request(Action.RECUR, an_order(500), saved_method="cus_1/pm_1", currency="EUR")
    result = await adapter.perform(request)
    assert (result.outcome, result.provider_ref) == (outcome, "pi_1")
    _, _, asked, _ = account.asked[-1]
    assert asked == {
        "amount": "500", "currency": "eur", "customer": "cus_1", "payment_method": "pm_1", "off_session": "true",
        "confirm": "true", "capture_method": "automatic", "metadata[operation]": str(request.operation_id),
        "metadata[action]": "RECUR",
    }  # fmt: skip


async def test_a_page_is_asked_for_with_all_that_is_bought(adapter, account):
    account.says(
        "checkout/sessions", {"id": "cs_1", "object": "checkout.session", "status": "open", "url": "https://p"}
    )
    cart = Cart((Item("film-1", "Film & Co", 2, 250), Item("film-2", "Ärger", 1, 100)))
    order = msgspec.structs.replace(
        an_order(), currency="USD", amount=600, cart=cart, contact=Contact(email="c@example.com")
    )
    request = a_request(
        order=order,
        currency="USD",
        capture_mode=CaptureMode.TWO_STAGE,
        save_method=True,
        opened_at=OPENED_AT,
        ttl_s=3600,
    )
    result = await adapter.perform(request)
    assert (result.outcome, result.provider_ref, result.payment_url) == (Outcome.PENDING, "cs_1", "https://p")
    _, _, asked, _ = account.asked[-1]
    assert asked["line_items[0][price_data][product_data][name]"] == "Film & Co"
    assert (asked["line_items[0][quantity]"], asked["line_items[0][price_data][unit_amount]"]) == ("2", "250")
    assert asked["line_items[1][price_data][currency]"] == "usd"
    assert asked["payment_intent_data[capture_method]"] == "manual"
    assert asked["payment_intent_data[setup_future_usage]"] == "off_session"
    assert asked["payment_intent_data[metadata][operation]"] == str(request.operation_id)
    assert (asked["client_reference_id"], asked["customer_email"]) == (str(request.operation_id), "c@example.com")
    assert asked["expires_at"] == str(int(OPENED_AT.timestamp()) + 3600 + 600)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (a_request(Action.RECUR, saved_method="pm_without_customer"), "invalid_request"),
        (a_request(Action.RECUR), "invalid_request"),
        (a_request(Action.REFUND, order_ref="pi_1", amount=1_001, currency="KWD"), "unsupported_amount"),
        (msgspec.structs.replace(a_request(), order=None), "invalid_request"),
    ],
    ids=["no customer", "no method", "finer than Stripe takes", "no order"],
)
async def test_what_the_api_cannot_express_is_declined_without_a_call(adapter, account, request_, reason):
    result = await adapter.perform(request_)
    assert (result.outcome, result.reason) == (Outcome.DECLINED, reason)
    assert account.asked == []


async def test_a_payment_given_back_whole_is_refunded_and_in_part_is_captured(adapter, account):
    account.says("payment_intents/pi_1", an_intent("succeeded", amount_received=100, latest_charge="ch_1"))
    first = {
        "id": "re_1",
        "object": "refund",
        "status": "succeeded",
        "amount": 60,
        "metadata": {"operation": str(uuid4())},
    }
    second = {"id": "re_2", "object": "refund", "status": "pending", "amount": 40}
    for state, told in (("pending", PaymentStatus.CAPTURED), ("succeeded", PaymentStatus.REFUNDED)):
        account.says("refunds", {"object": "list", "data": [first, second | {"status": state}], "has_more": False})
        observed = (await adapter.perform(a_request(Action.INQUIRE, order_ref="pi_1"))).observed
        assert observed is not None
        assert (observed.status, [o.amount for o in observed.operations]) == (told, [60, 40])


async def test_a_gateways_not_found_is_no_evidence_that_the_order_is_not_there(adapter, account):
    account.says("payment_intents/pi_1", b"<html>", status=404)
    result = await adapter.perform(a_request(Action.INQUIRE, order_ref="pi_1"))
    assert (result.outcome, result.observed) == (Outcome.UNKNOWN, None)


def test_a_form_nests_in_brackets_and_leaves_out_what_is_none():
    assert (
        requests.encode({"a": {"b": [1, True]}, "c": None, "d": "x y"})
        == "a%5Bb%5D%5B0%5D=1&a%5Bb%5D%5B1%5D=true&d=x+y"
    )


async def test_a_redirect_is_not_followed_with_money(adapter, account):
    account.says("payment_intents", b"", status=307, Location="/elsewhere")
    request = a_request(Action.RECUR, an_order(500), saved_method="cus_1/pm_1")
    assert (await adapter.perform(request)).reason == "http_307"
    assert len(account.asked) == 1


@pytest.mark.parametrize(
    ("advice", "reason", "wait_s"),
    [
        (None, "insufficient_funds", None),
        ("02", "insufficient_funds", None),
        ("24", "insufficient_funds", 3_600),
        ("30", "insufficient_funds", 864_000),
        ("21", "method_revoked", None),
    ],
)
def test_the_card_networks_advice_says_how_long_to_wait(advice: str | None, reason: str, wait_s: int | None) -> None:
    error = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
    if advice is not None:
        error["network_advice_code"] = advice
    result = refused(402, {}, json.dumps({"error": error}).encode())
    assert result is not None
    assert (result.outcome, result.reason, result.retry_after_s) == (Outcome.DECLINED, reason, wait_s)
