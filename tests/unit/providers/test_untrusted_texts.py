"""One U+0000 in each text of each provider's callbacks and answers: nothing stops, and the cause can be read."""

import asyncio
import copy
import gzip
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from billing.errors import InvalidMessage
from billing.vocabulary import Action, Outcome
from providers import registry
from providers.base import ParsedCallback, Provider
from providers.http import CallLimits
from providers.reading import ANSWER_LIMIT, TEXT_LIMIT
from providers.sandbox.stripe.signing import signature
from providers.tbank.tokens import token
from tests.support.provider_answers import OURS, SECRET, SETTINGS, THEIRS, answered
from tests.support.signed_tokens import MERCHANT
from tests.support.signed_tokens import Provider as YandexKeys

TERMINAL = SETTINGS["tbank"].terminal_key  # type: ignore[attr-defined]


def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each text in a JSON value."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from texts(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts(inner, (*path, index))


def spoilt(value: Any, path: tuple[Any, ...]) -> Any:
    """A copy with U+0000 in one text."""
    changed = copy.deepcopy(value)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = f"{place[path[-1]][:2]}\0{place[path[-1]][2:]}"
    return changed


def cases(samples: list[tuple[str, Any]]) -> list[Any]:
    return [
        pytest.param(provider, sample, path, id=f"{provider}-{index}-{'.'.join(map(str, path))}")
        for index, (provider, sample) in enumerate(samples)
        for path in texts(sample)
    ]


def an_event(type: str, **shown: Any) -> tuple[str, Any]:
    return "stripe", {"id": "evt_1", "object": "event", "type": type, "api_version": "v", "data": {"object": shown}}


INTENT = {
    "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount_received": 100, "customer": "cus_1",
    "payment_method": "pm_1", "setup_future_usage": "off_session", "latest_charge": "ch_1", "currency": "rub",
    "metadata": {"operation": OURS, "capture_operation": OURS},
    "last_payment_error": {"type": "card_error", "code": "card_declined", "decline_code": "lost_card", "message": "No."},
}  # fmt: skip
SESSION = {
    "id": "cs_1",
    "object": "checkout.session",
    "status": "expired",
    "client_reference_id": OURS,
    "url": "https://a.b/",
}
REFUND = {
    "id": "re_1", "object": "refund", "status": "failed", "amount": 100, "currency": "rub", "payment_intent": "pi_1",
    "failure_reason": "lost_or_stolen_card", "metadata": {"operation": OURS},
}  # fmt: skip
AMOUNT = {"value": "1.00", "currency": "RUB"}
PAYMENT = {
    "id": THEIRS, "status": "canceled", "amount": AMOUNT, "description": "Film", "created_at": "2026-11-23T12:00:00Z",
    "cancellation_details": {"party": "payment_network", "reason": "insufficient_funds"}, "metadata": {"operation_id": OURS},
    "payment_method": {"type": "bank_card", "id": "pm-1", "saved": True, "title": "Bank card *4444"},
}  # fmt: skip
CALLBACKS = [
    ("yandex-pay", {"event": "ORDER_STATUS_UPDATED", "eventTime": "2026-11-23T12:00:00Z", "merchantId": MERCHANT,
        "order": {"orderId": OURS, "paymentStatus": "CAPTURED", "deliveryStatus": "NEW"}}),
    ("yandex-pay", {"event": "OPERATION_STATUS_UPDATED", "eventTime": "2026-11-23T12:00:00Z", "merchantId": MERCHANT,
        "operation": {"operationId": THEIRS, "operationType": "REFUND", "orderId": OURS, "status": "FAIL",
            "externalOperationId": OURS, "reason": "no"}}),
    ("yookassa", {"type": "notification", "event": "payment.canceled", "object": PAYMENT}),
    ("yookassa", {"type": "notification", "event": "refund.succeeded", "object": {
        "id": THEIRS, "payment_id": THEIRS, "status": "succeeded", "amount": AMOUNT, "metadata": {"operation_id": OURS}}}),
    an_event("payment_intent.succeeded", **INTENT),
    an_event("checkout.session.expired", **SESSION),
    an_event("refund.failed", **REFUND),
    an_event("charge.refunded", id="ch_1", object="charge", payment_intent="pi_1", metadata={"operation": OURS}),
    ("tbank", {"TerminalKey": TERMINAL, "OrderId": OURS, "Success": False, "Status": "REJECTED", "PaymentId": "13660",
        "ErrorCode": "1051", "Message": "No.", "Details": "Not enough.", "RebillId": "145919", "Pan": "430000******0777",
        "ExpDate": "0229", "Data": {"Route": "TCB"}}),
]  # fmt: skip


async def delivered(provider: str, body: Any) -> ParsedCallback:
    """A callback of the provider, verified as ingest does and read as a worker does."""
    peer, headers, settings = "127.0.0.1", {}, SETTINGS[provider]
    content = json.dumps(body).encode()
    verifier = registry.PLUGINS[provider].verifier(settings)
    if provider == "yandex-pay":
        keys = YandexKeys()
        verifier._merchant_id = MERCHANT  # type: ignore[attr-defined]
        verifier._keys.find = lambda _kid: _found(keys.keys["key-1"].public_key())  # type: ignore[attr-defined]
        content = keys.token(iat=int(time.time()), exp=int(time.time()) + 60, payload={"order": None, **body})
    elif provider == "stripe":
        secrets = [secret.get_secret_value() for secret in settings.webhook_secrets]  # type: ignore[attr-defined]
        headers = {"stripe-signature": signature(secrets, content, time.time())}
    elif provider == "tbank":
        content = json.dumps(body | {"Token": token(body, SECRET)}).encode()
    await verifier.verify(headers, content, peer)
    adapter: Provider = registry.PLUGINS[provider].provider(settings, CallLimits(5.0, 1))
    return adapter.parse_callback(content)


async def _found(key: Any) -> Any:
    return key


@pytest.mark.parametrize(("provider", "sample"), CALLBACKS)
async def test_the_samples_themselves_are_read(provider, sample):
    assert (await delivered(provider, sample)).references


def holds_nul(value: Any) -> bool:
    """Whether Postgres would refuse it."""
    return rb"\u0000" in msgspec.json.encode(value)


#: Fields that name us: with another value the callback is not ours, or not a notification at all.
OF_THE_SENDER = {("merchantId",), ("TerminalKey",), ("type",)}


@pytest.mark.parametrize(("provider", "sample", "path"), cases(CALLBACKS))
async def test_a_callback_with_a_nul_is_stored_and_read_or_set_aside_with_its_cause(provider, sample, path):
    if path in OF_THE_SENDER and not (provider == "stripe" and path == ("type",)):
        pytest.skip("the field proves the sender")
    outcome = (await asyncio.gather(delivered(provider, spoilt(sample, path)), return_exceptions=True))[0]
    if isinstance(outcome, InvalidMessage):
        assert str(outcome)
        assert "\0" not in str(outcome)
    else:
        assert isinstance(outcome, ParsedCallback), outcome
        assert not holds_nul(outcome)


ANSWERS = [
    ("yandex-pay", Action.CREATE, {"code": 200, "status": "success", "data": {"paymentUrl": "https://pay.example/1"}}),
    ("yandex-pay", Action.REFUND, {"code": 200, "status": "success", "data": {"operation": {"operationId": THEIRS,
        "operationType": "REFUND", "status": "SUCCESS", "externalOperationId": OURS, "amount": "1.00", "reason": "no"}}}),
    ("yandex-pay", Action.INQUIRE, {"code": 200, "status": "success", "data": {"order": {"paymentStatus": "FAILED",
        "paymentUrl": "https://pay.example/1", "reason": "no"}, "operations": [{"operationId": THEIRS,
        "operationType": "AUTHORIZE", "status": "FAIL", "externalOperationId": OURS, "amount": "1.00", "reason": "no"}]}}),
    ("yookassa", Action.CREATE, PAYMENT | {"status": "pending", "confirmation": {"type": "redirect", "confirmation_url": "https://a.b/"}}),
    ("yookassa", Action.INQUIRE, PAYMENT),
    ("yookassa", Action.REFUND, {"id": THEIRS, "payment_id": THEIRS, "status": "canceled", "amount": AMOUNT,
        "created_at": "2026-11-23T12:00:00Z", "cancellation_details": {"party": "yoo_money", "reason": "general_decline"}}),
    ("stripe", Action.CREATE, SESSION | {"status": "open"}),
    ("stripe", Action.INQUIRE, SESSION | {"status": "complete", "payment_intent": INTENT | {"amount_received": 0}}),
    ("tbank", Action.CREATE, {"Success": True, "ErrorCode": "0", "Status": "NEW", "PaymentId": "1", "PaymentURL": "https://a.b/"}),
    ("tbank", Action.INQUIRE, {"Success": True, "ErrorCode": "0", "Status": "REJECTED", "PaymentId": "1", "Message": "No."}),
]  # fmt: skip
REFUSALS = [
    ("yandex-pay", 400, {"status": "fail", "reasonCode": "BAD_FORMAT", "reason": "Bad format"}),
    ("yookassa", 400, {"type": "error", "id": "1", "code": "invalid_request", "description": "No.", "parameter": "amount"}),
    ("stripe", 402, {"error": {"type": "card_error", "code": "card_declined", "decline_code": "lost_card", "message": "No."}}),
    ("tbank", 200, {"Success": False, "ErrorCode": "1051", "Message": "No.", "Details": "Not enough."}),
]  # fmt: skip


async def checked(provider: str, action: Action, body: Any, status: int = 200) -> None:
    result = await answered(provider, action, body, status)
    assert not holds_nul(result)
    assert result.outcome is not Outcome.UNKNOWN or result.reason, "an unknown outcome says why"


@pytest.mark.parametrize(("provider", "action", "sample"), ANSWERS)
async def test_the_answers_themselves_are_read(provider, action, sample):
    assert (await answered(provider, action, sample)).outcome is not Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("provider", "sample", "path"), cases([(provider, [action, sample]) for provider, action, sample in ANSWERS])
)
async def test_an_answer_with_a_nul_ends_the_call_with_an_outcome_that_can_be_stored(provider, sample, path):
    if path == (0,):
        pytest.skip("the action, which is ours")
    action, body = spoilt(sample, path)
    await checked(provider, action, body)


@pytest.mark.parametrize(
    ("provider", "sample", "path"), cases([(provider, [str(status), body]) for provider, status, body in REFUSALS])
)
async def test_a_refusal_with_a_nul_ends_the_call_with_an_outcome_that_can_be_stored(provider, sample, path):
    if path == (0,):
        pytest.skip("the status, which is no text")
    status, body = spoilt(sample, path)
    await checked(provider, Action.CREATE, body, int(status))


DEEP: list[Callable[[], bytes]] = [
    lambda: b"[" * 3000 + b"]" * 3000,
    lambda: b'{"a":' * 3000 + b"1" + b"}" * 3000,
    lambda: b'{"type":"notification","event":"payment.succeeded","object":' + b'{"id":' * 3000 + b"1" + b"}" * 3001,
]


@pytest.mark.parametrize("provider", sorted(registry.PLUGINS))
@pytest.mark.parametrize("make", DEEP, ids=["a list", "an object", "in a known field"])
async def test_an_answer_that_is_nested_too_deeply_is_unreadable_and_can_be_logged(provider, make):
    for status in (200, 400):
        assert (await answered(provider, Action.CREATE, make(), status)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("text", ["a\0b", "x" * (TEXT_LIMIT + 1)])
def test_the_cause_names_the_field(text):
    with pytest.raises(InvalidMessage, match=r"references\[1\]"):
        ParsedCallback(("first", text), "dedupe")


@pytest.mark.parametrize(("provider", "status", "body"), REFUSALS)
async def test_a_refusal_is_kept_in_the_providers_own_words(provider, status, body):
    result = await answered(provider, Action.CREATE, body, status)
    assert result.outcome is Outcome.DECLINED
    assert result.provider_reason is not None
    code = {"yandex-pay": "BAD_FORMAT", "yookassa": "invalid_request", "stripe": "lost_card", "tbank": "1051"}[provider]
    assert (result.provider_reason.code, bool(result.provider_reason.message)) == (code, True)


@pytest.mark.parametrize(
    ("provider", "status", "body", "reason", "code"),
    [
        ("stripe", 400, {"error": {"type": "invalid_request_error", "code": "charge_already_refunded", "message": "Charge ch_1 has already been refunded."}}, "already_refunded", "charge_already_refunded"),
        ("stripe", 400, {"error": {"type": "invalid_request_error", "code": "balance_insufficient", "message": "Insufficient funds in your account."}}, "merchant_balance", "balance_insufficient"),
        ("stripe", 400, {"error": {"type": "invalid_request_error", "code": "charge_disputed", "message": "Charge ch_1 has been charged back; cannot issue a refund."}}, "invalid_state", "charge_disputed"),
        ("yookassa", 200, {"id": THEIRS, "payment_id": THEIRS, "status": "canceled", "amount": AMOUNT, "created_at": "2026-11-23T12:00:00Z", "cancellation_details": {"party": "yoo_money", "reason": "insufficient_funds"}}, "merchant_balance", "insufficient_funds"),
        ("yookassa", 400, {"type": "error", "id": "1", "code": "invalid_request", "description": "Not enough balance to refund"}, "invalid_request", "invalid_request"),
        ("tbank", 200, {"Success": False, "ErrorCode": "4", "Message": "Статус не изменить"}, "invalid_state", "4"),
        ("yandex-pay", 400, {"status": "fail", "reasonCode": "NOT_ENOUGH_MONEY", "reason": "Not enough"}, "declined", "NOT_ENOUGH_MONEY"),
    ],
)  # fmt: skip
async def test_the_causes_of_a_refused_refund_are_told_apart(provider, status, body, reason, code):
    answers = [body]
    if provider == "stripe":  # the session is read first
        answers = [SESSION | {"status": "complete", "payment_intent": INTENT}, body]
    result = await answered(provider, Action.REFUND, answers, status)
    assert (result.outcome, result.reason) == (Outcome.DECLINED, reason)
    assert result.provider_reason is not None
    assert result.provider_reason.code == code


@pytest.mark.parametrize("provider", sorted(registry.PLUGINS))
async def test_an_answer_without_end_is_cut_off(provider):
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        chunk = b" " * 65_536
        while sent < 10 * ANSWER_LIMIT:
            await response.write(chunk)
            sent += len(chunk)
        return response

    result = await answered(provider, Action.CREATE, endless)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "unreadable_answer")
    assert sent < 3 * ANSWER_LIMIT


async def test_a_compressed_answer_is_bounded_by_what_it_unpacks_to():
    async def bomb(_request: web.Request) -> web.Response:
        packed = gzip.compress(b" " * (4 * ANSWER_LIMIT))
        return web.Response(body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    assert (await answered("yookassa", Action.CREATE, bomb)).reason == "unreadable_answer"
