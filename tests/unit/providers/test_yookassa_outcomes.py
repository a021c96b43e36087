"""What the adapter makes of answers that the sandbox does not give."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from billing.vocabulary import Action, CaptureMode, Outcome, PaymentStatus
from providers.http import CallLimits
from providers.yookassa import YooKassa
from providers.yookassa.settings import YooKassaSettings
from tests.support.sandbox import a_request
from tests.support.scripted_provider import Script

PAYMENT = {
    "id": "2f1c7a5e-000f-5000-8000-1c0d3b6e9a11",
    "status": "pending",
    "amount": {"value": "599.00", "currency": "RUB"},
    "confirmation": {"type": "redirect", "confirmation_url": "https://pay.example/1"},
}


@pytest.fixture
async def script():
    script = Script()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    async with TestServer(app) as server:
        script.url = str(server.make_url("/v3"))
        yield script
        script.over.set()


@pytest.fixture
async def adapter(script):
    settings = YooKassaSettings(url=script.url, shop_id="1", secret_key=SecretStr("s"))
    adapter = YooKassa(settings, CallLimits(1.0, 64))
    await adapter.start()
    yield adapter
    await adapter.close()


def an_error(code: str, **fields: Any) -> dict[str, Any]:
    return {"type": "error", "id": "1", "code": code, "description": "because", **fields}


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reason"),
    [
        (202, {"type": "processing", "retry_after": 1800}, Outcome.UNKNOWN, "processing"),
        (500, an_error("internal_server_error", retry_after=1), Outcome.UNKNOWN, "http_500"),
        (502, b"<html>", Outcome.UNKNOWN, "http_502"),
        (429, an_error("too_many_requests", retry_after=1800), Outcome.NOT_SENT, "rate_limited"),
        (400, an_error("invalid_request", retry_after=1800), Outcome.NOT_SENT, "rate_limited"),
        (400, an_error("invalid_request", parameter="Idempotence-Key"), Outcome.UNKNOWN, "already_known"),
        (400, an_error("invalid_request", parameter="amount"), Outcome.DECLINED, "invalid_request"),
        (404, an_error("not_found"), Outcome.DECLINED, "order_not_found"),
        (403, an_error("forbidden"), Outcome.NOT_SENT, "credentials"),
        (410, an_error("gone"), Outcome.DECLINED, "declined"),
        (404, b"<html>", Outcome.UNKNOWN, "unreadable_answer"),
        (200, b"<html>", Outcome.UNKNOWN, "unreadable_answer"),
        (200, {**PAYMENT, "status": "frozen"}, Outcome.UNKNOWN, "unreadable_answer"),
        (302, b"", Outcome.UNKNOWN, "http_302"),
    ],
)
async def test_only_the_apis_own_words_are_evidence(script, adapter, status, body, outcome, reason):
    script.answer = script.saying(status, body)
    result = await adapter.perform(a_request())
    assert (result.outcome, result.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("silent", "timeout"), ("hanging_up", "connection_broken"), ("breaking_off", "connection_broken")],
)
async def test_a_call_without_an_answer_leaves_all_open(script, adapter, behaviour, reason):
    script.answer = getattr(script, behaviour)
    result = await adapter.perform(a_request())
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, reason)


async def test_a_slow_list_does_not_outlast_the_deadline_of_the_inquiry(script, adapter, monkeypatch):
    monkeypatch.setattr(adapter, "_limits", CallLimits(0.1, 64))
    script.answer = script.silent
    result = await adapter.perform(a_request(Action.INQUIRE, order_ref="another"))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "timeout")


@pytest.mark.parametrize("action", [Action.INQUIRE, Action.CAPTURE])
async def test_an_amount_that_cannot_be_read_leaves_all_open(script, adapter, action):
    odd = {"value": "5.999", "currency": "RUB"}
    script.answer = script.saying(
        200, {**PAYMENT, "status": "succeeded", "amount": odd, "refunded_amount": odd, "items": []}
    )
    result = await adapter.perform(a_request(action, order_ref="another"))
    assert result.outcome is (Outcome.UNKNOWN if action is Action.INQUIRE else Outcome.SUCCEEDED)


@pytest.mark.parametrize(
    ("reason", "status", "told"),
    [
        ("canceled_by_merchant", PaymentStatus.VOIDED, None),
        ("expired_on_capture", PaymentStatus.VOIDED, None),
        ("expired_on_confirmation", PaymentStatus.FAILED, "expired"),
        ("permission_revoked", PaymentStatus.FAILED, "method_revoked"),
        ("something_new", PaymentStatus.FAILED, "declined"),
    ],
)
async def test_a_payment_that_was_canceled_says_how(script, adapter, reason, status, told):
    script.answer = script.saying(
        200, {**PAYMENT, "status": "canceled", "cancellation_details": {"party": "yoo_money", "reason": reason}}
    )
    observed = (await adapter.perform(a_request(Action.INQUIRE, order_ref="another"))).observed
    assert (observed.status, observed.reason) == (status, told)


async def test_what_is_sent_names_the_operation_as_key_and_in_the_metadata(script, adapter):
    script.answer = script.saying(200, PAYMENT)
    request = a_request(capture_mode=CaptureMode.TWO_STAGE, save_method=True)
    result = await adapter.perform(request)
    assert (result.outcome, result.provider_ref, result.payment_url) == (
        Outcome.PENDING, PAYMENT["id"], "https://pay.example/1",
    )  # fmt: skip
    (heard,), (body,) = script.heard, script.bodies
    assert (heard.method, heard.path) == ("POST", "/v3/payments")
    assert heard.headers["Idempotence-Key"] == str(request.operation_id)
    assert heard.headers["Authorization"] == "Basic MTpz"
    assert body["metadata"] == {"operation_id": str(request.operation_id), "payment_id": str(request.payment_id)}
    assert (body["amount"], body["capture"], body["save_payment_method"]) == (PAYMENT["amount"], False, True)
    assert "receipt" not in body, "there is nowhere to send one"
