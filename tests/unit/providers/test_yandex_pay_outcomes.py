"""What the adapter makes of each thing a provider or a network can do to a call."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest

from billing.messages import Observation, ProviderReason, ProviderRequest
from billing.orders import Cart, Item, Order
from billing.reasons import Reason, Recovery
from billing.vocabulary import Action, CaptureMode, OperationStatus, OperationType, Outcome, PaymentStatus, Tax
from deploy.local.ports import free_port
from providers.http import CallLimits
from tests.support.factories import an_order
from tests.support.sandbox import a_request
from tests.support.scripted_provider import an_adapter


def operated(status: str, **fields: Any) -> dict[str, Any]:
    operation = {"operationType": "REFUND", "operationId": "theirs", "status": status} | fields
    return {"status": "success", "data": {"operation": operation}}


def refused(code: str) -> dict[str, Any]:
    return {"status": "fail", "reasonCode": code, "reason": "because"}


async def test_an_opened_order_is_pending_with_its_payment_url(adapter, script):
    request = a_request()
    result = await adapter.perform(request)
    assert (result.outcome, result.provider_ref) == (Outcome.PENDING, request.order_ref)
    assert result.payment_url == "https://pay.example/1"


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.RECUR])
async def test_every_call_carries_our_operation_as_the_idempotency_key(adapter, script, action):
    request = a_request(action)
    request = msgspec.structs.replace(request, order=an_order())
    await adapter.perform(request)
    await adapter.perform(request)
    assert {heard.headers["X-Request-Id"] for heard in script.heard} == {str(request.operation_id)}
    assert {heard.headers["Authorization"] for heard in script.heard} == {"Api-Key secret"}
    assert {heard.headers["X-Request-Timeout"] for heard in script.heard} == {"5000"}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("PENDING", Outcome.PENDING), ("SUCCESS", Outcome.SUCCEEDED), ("FAIL", Outcome.DECLINED)],
)
@pytest.mark.parametrize("action", [Action.CAPTURE, Action.VOID, Action.REFUND])
async def test_an_operation_ends_as_the_provider_says(adapter, script, action, status, outcome):
    script.answer = script.saying(200, operated(status))
    assert (await adapter.perform(a_request(action))).outcome is outcome


async def test_an_inquiry_tells_the_order_and_its_operations(adapter, script):
    request = a_request(Action.INQUIRE)
    refund = {
        "operationType": "REFUND",
        "operationId": "theirs",
        "status": "SUCCESS",
        "amount": "12.34",
        "externalOperationId": str(request.operation_id),
    }
    invented = {"operationType": "TO_BE_INVENTED", "status": "SUCCESS"}
    order = {"paymentStatus": "PARTIALLY_REFUNDED"}
    script.answer = script.saying(
        200, {"status": "success", "data": {"order": order, "operations": [refund, invented]}}
    )
    result = await adapter.perform(request)
    assert result.outcome is Outcome.SUCCEEDED
    assert result.observed is not None
    assert result.observed.status is PaymentStatus.PARTIALLY_REFUNDED
    (observed,) = result.observed.operations
    assert (observed.type, observed.status) == (OperationType.REFUND, OperationStatus.SUCCESS)
    assert (observed.amount, observed.operation_id) == (1_234, request.operation_id)


@pytest.mark.parametrize(
    ("status", "code", "outcome", "reason", "helps"),
    [
        (400, "INSUFFICIENT_FUNDS", Outcome.DECLINED, "insufficient_funds", Recovery.RETRY_LATER),
        (400, "FRAUD", Outcome.DECLINED, "fraud_suspected", Recovery.NEVER),
        (400, "ORDER_CART_DATA_ERROR", Outcome.DECLINED, "invalid_request", Recovery.NEVER),
        (400, "TO_BE_INVENTED", Outcome.DECLINED, "declined", Recovery.NEW_METHOD),
        (404, "ORDER_NOT_FOUND", Outcome.DECLINED, "order_not_found", Recovery.NEVER),
        (409, "ORDER_STATUS_MISMATCH", Outcome.DECLINED, "invalid_state", Recovery.NEVER),
        (409, "ANOTHER_OPERATION_IN_PROGRESS", Outcome.NOT_SENT, "provider_busy", Recovery.RETRY_LATER),
        (409, "DUPLICATE_EXTERNAL_OPERATION_ID", Outcome.UNKNOWN, "already_known", Recovery.RETRY_NOW),
        (409, "ORDER_ALREADY_EXISTS", Outcome.UNKNOWN, "already_known", Recovery.RETRY_NOW),
        (401, "AUTHENTICATION_ERROR", Outcome.NOT_SENT, "credentials", Recovery.RETRY_LATER),
        (403, "FORBIDDEN", Outcome.NOT_SENT, "credentials", Recovery.RETRY_LATER),
        (429, "TOO_MANY_REQUESTS", Outcome.NOT_SENT, "rate_limited", Recovery.RETRY_LATER),
        (408, "TIMEOUT", Outcome.UNKNOWN, "http_408", Recovery.RETRY_NOW),
        (500, "INTERNAL", Outcome.UNKNOWN, "http_500", Recovery.RETRY_NOW),
        (502, "BAD_GATEWAY", Outcome.UNKNOWN, "http_502", Recovery.RETRY_NOW),
        (503, "UNAVAILABLE", Outcome.UNKNOWN, "http_503", Recovery.RETRY_NOW),
        (504, "TIMEOUT", Outcome.UNKNOWN, "http_504", Recovery.RETRY_NOW),
    ],
)
async def test_a_refusal_is_read_by_its_code(adapter, script, status, code, outcome, reason, helps):
    script.answer = script.saying(status, refused(code))
    result = await adapter.perform(a_request(Action.REFUND))
    assert (result.outcome, result.reason, Reason.of(result.reason).recovery) == (outcome, reason, helps)
    assert len(script.heard) == 1, "the adapter itself does not try again"


async def test_an_order_unknown_to_the_provider_answers_an_inquiry(adapter, script):
    script.answer = script.saying(404, refused("ORDER_NOT_FOUND"))
    result = await adapter.perform(a_request(Action.INQUIRE))
    assert (result.outcome, result.reason) == (Outcome.SUCCEEDED, "order_not_found")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"\xff", b"[]", b"{}", b'{"status":"fail","data":{}}', b'{"status":"success"}', b'{"data":{}}'],
)
@pytest.mark.parametrize("action", [action for action in Action if action is not Action.RECUR])
async def test_an_answer_that_is_not_the_apis_own_leaves_all_open(adapter, script, action, body):
    script.answer = script.saying(200, body)
    result = await adapter.perform(a_request(action))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "unreadable_answer")
    assert result.observed is None


@pytest.mark.parametrize("action", [Action.CAPTURE, Action.VOID, Action.REFUND])
async def test_an_operation_that_the_answer_does_not_show_is_pending(adapter, script, action):
    script.says({})
    assert (await adapter.perform(a_request(action))).outcome is Outcome.PENDING


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("PENDING", PaymentStatus.PENDING),
        (None, PaymentStatus.PENDING),
        ("AUTHORIZED", PaymentStatus.AUTHORIZED),
        ("CAPTURED", PaymentStatus.CAPTURED),
        ("CONFIRMED", PaymentStatus.CAPTURED),
        ("VOIDED", PaymentStatus.VOIDED),
        ("REFUNDED", PaymentStatus.REFUNDED),
    ],
)
async def test_the_status_of_an_order_is_put_into_our_words(adapter, script, told, status):
    script.says({"order": {"paymentStatus": told, "reason": "CUSTOMER"}, "operations": None})
    assert (await adapter.perform(a_request(Action.INQUIRE))).observed == Observation(status)


async def test_a_failed_order_tells_why_in_our_words_and_its_own(adapter, script):
    script.says({"order": {"paymentStatus": "FAILED", "reason": "CARD_EXPIRED"}})
    result = await adapter.perform(a_request(Action.INQUIRE))
    said = ProviderReason("CARD_EXPIRED")
    assert result.observed == Observation(PaymentStatus.FAILED, reason="card_expired", provider_reason=said)


async def test_a_status_we_do_not_know_is_no_evidence_that_the_order_is_not_there(adapter, script):
    script.says({"order": {"paymentStatus": "TO_BE_INVENTED"}})
    result = await adapter.perform(a_request(Action.INQUIRE))
    assert (result.outcome, result.reason, result.observed) == (Outcome.UNKNOWN, "unknown_status", None)


async def test_an_inquiry_answered_without_an_order_proves_nothing(adapter, script):
    script.answer = script.saying(200, {"status": "success", "data": {}})
    assert (await adapter.perform(a_request(Action.INQUIRE))).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("body", [b"<html>not found</html>", b'{"error":"no route"}'])
async def test_a_gateways_not_found_is_not_the_providers(adapter, script, body):
    script.answer = script.saying(404, body)
    for action in (Action.INQUIRE, Action.REFUND):
        assert (await adapter.perform(a_request(action))).outcome is Outcome.UNKNOWN


async def test_a_redirect_is_not_followed_with_money(adapter, script):
    script.answer = script.saying(307, b"", Location="/elsewhere")
    result = await adapter.perform(a_request(Action.REFUND))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "http_307")
    assert len(script.heard) == 1


async def test_no_answer_in_time_is_unknown(script):
    script.answer = script.silent
    async with an_adapter(script.url, CallLimits(0.2, 64)) as adapter:
        result = await adapter.perform(a_request())
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "timeout")
    assert len(script.heard) == 1
    assert script.heard[0].headers["X-Request-Timeout"] == "1000", "the least the API takes"


@pytest.mark.parametrize("how", ["hanging_up", "breaking_off"])
async def test_a_broken_connection_is_unknown(adapter, script, how):
    script.answer = getattr(script, how)
    result = await adapter.perform(a_request(Action.REFUND))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "connection_broken")
    assert len(script.heard) == 1


async def test_a_refused_connection_is_not_sent():
    async with an_adapter(f"http://127.0.0.1:{free_port()}") as adapter:
        result = await adapter.perform(a_request())
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "unreachable")


@pytest.mark.parametrize("url", ["http://no-such-host.invalid", "http://:0bad"], ids=["unknown host", "bad URL"])
async def test_a_provider_that_cannot_be_found_is_not_sent_to(url):
    async with an_adapter(url) as adapter:
        result = await adapter.perform(a_request())
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "unreachable")


async def test_a_call_that_finds_no_free_connection_in_time_is_not_sent(script):
    script.answer = script.silent
    async with an_adapter(script.url, CallLimits(30.0, 1)) as adapter:
        # The deadline of the call stays far away: only the wait for a connection ends.
        adapter._api.session._timeout = aiohttp.ClientTimeout(total=30.0, connect=0.05)
        first = asyncio.create_task(adapter.perform(a_request(Action.ROLLBACK)))
        async with asyncio.timeout(10):
            while not script.heard:
                await asyncio.sleep(0)
        result = await adapter.perform(a_request(Action.ROLLBACK))
        first.cancel()
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "unreachable")
    assert len(script.heard) == 1


def taxed(tax: Tax) -> Order:
    cart = Cart((Item("film-1", "Film", 1, 59_900, tax=tax),))
    return msgspec.structs.replace(an_order(59_900), cart=cart)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (a_request(capture_mode=CaptureMode.TWO_STAGE), "unsupported_capture_mode"),
        (a_request(currency="USD"), "unsupported_currency"),
        (msgspec.structs.replace(a_request(Action.RECUR), order=an_order(59_900)), "invalid_request"),
        (a_request(Action.RECUR, saved_method="1"), "invalid_request"),
        (msgspec.structs.replace(a_request(), order=None), "invalid_request"),
        (msgspec.structs.replace(a_request(save_method=True), order=None), "invalid_request"),
    ],
    ids=["two stages", "currency", "no method", "no order to charge", "no order", "no order to save"],
)
async def test_what_the_api_cannot_express_is_declined_without_a_call(
    adapter, script, request_: ProviderRequest, reason
):
    result = await adapter.perform(request_)
    assert (result.outcome, result.reason) == (Outcome.DECLINED, reason)
    assert script.heard == []


@pytest.mark.parametrize(("codes", "code"), [({}, 11), ({"vat22": 13}, 13)], ids=["by default", "by a setting"])
async def test_a_tax_has_a_code_that_a_setting_can_replace(script, codes, code):
    async with an_adapter(script.url, tax_codes=codes) as adapter:
        assert (await adapter.perform(a_request(order=taxed(Tax.VAT_22)))).outcome is Outcome.PENDING
    assert script.bodies[0]["cart"]["items"][0]["receipt"]["tax"] == code


async def test_a_merchant_with_two_stages_is_not_sent_a_payment_in_one(script):
    async with an_adapter(script.url, capture_mode="TWO_STAGE") as adapter:
        assert (await adapter.perform(a_request())).reason == "unsupported_capture_mode"
        two = a_request(capture_mode=CaptureMode.TWO_STAGE)
        assert (await adapter.perform(two)).outcome is Outcome.PENDING
    assert len(script.heard) == 1


async def test_a_refund_that_no_cart_expresses_is_declined_without_a_call(adapter, script):
    cart = Cart((Item("film-1", "Film", 3, 8_334),))
    request = a_request(Action.REFUND, amount=5_000, cart=cart, refundable_before=30_000)
    result = await adapter.perform(request)
    assert (result.outcome, result.reason, script.heard) == (Outcome.DECLINED, "unsupported_refund", [])
    fits = msgspec.structs.replace(request, amount=4_998)
    script.says({"operationId": "1"})
    assert (await adapter.perform(fits)).outcome is Outcome.PENDING
