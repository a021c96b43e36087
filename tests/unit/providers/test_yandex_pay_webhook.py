"""What is believed of a webhook, and what is not."""

import asyncio
import json
import time
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from billing.errors import InvalidMessage
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus
from providers.base import CallbackRejected
from providers.yandex_pay.webhook import KEYS_PAUSE_S, KEYS_TTL_S, WebhookVerifier, parse

MERCHANT = "merchant-1"
NOW = 1_800_000_000
ORDER = {"orderId": "order-1", "paymentStatus": "CAPTURED"}


class Provider:
    """The provider's keys, published, and tokens signed with them."""

    def __init__(self) -> None:
        self.keys = {"key-1": ec.generate_private_key(ec.SECP256R1())}
        self.fetches = 0
        self.is_away = False
        self.others: list[dict[str, Any]] = []
        self.answer: bytes | None = None

    async def publish(self, _request: web.Request) -> web.Response:
        self.fetches += 1
        if self.is_away:
            raise web.HTTPServiceUnavailable
        if self.answer is not None:
            return web.Response(body=self.answer, content_type="application/json")
        keys = [
            {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": "ES256"}
            for kid, key in self.keys.items()
        ]
        return web.json_response({"keys": keys + self.others})

    def token(self, kid: str = "key-1", signed_by: str | None = None, **changes: Any) -> bytes:
        payload = {"event": "ORDER_STATUS_UPDATED", "eventTime": "2026-11-23T12:00:00Z", "merchantId": MERCHANT}
        payload |= {"order": ORDER} | changes.pop("payload", {})
        header = {"kid": kid, "iat": NOW, "exp": NOW + 300} | changes
        header = {name: value for name, value in header.items() if value is not None}
        key = self.keys[signed_by or kid]
        return jwt.PyJWS().encode(json.dumps(payload).encode(), key, "ES256", header).encode()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def provider():
    return Provider()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def verifier(provider, clock):
    app = web.Application()
    app.router.add_get("/jwks", provider.publish)
    server = TestServer(app)
    await server.start_server()
    async with ClientSession() as session:
        verifier = WebhookVerifier(str(server.make_url("/jwks")), MERCHANT, clock, lambda: NOW)
        verifier.session = session
        yield verifier
    await server.close()


async def rejection(verifier: WebhookVerifier, token: bytes) -> CallbackRejected:
    with pytest.raises(CallbackRejected) as caught:
        await verifier.verify(token)
    return caught.value


async def test_a_token_signed_by_the_provider_is_believed(provider, verifier):
    verified = await verifier.verify(provider.token())
    assert (verified.order_ref, verified.response) == ("order-1", b'{"status":"success"}')


async def test_keys_are_fetched_once(provider, verifier):
    for _ in range(3):
        await verifier.verify(provider.token())
    assert provider.fetches == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": NOW - 31}, "expired"),
        ({"iat": NOW + 31, "exp": NOW + 300}, "future"),
        ({"iat": None}, "missing"),
        ({"exp": None}, "missing"),
        ({"typ": "JOSE"}, "type"),
        ({"payload": {"merchantId": "another"}}, "merchant"),
        ({"payload": {"eventTime": "yesterday"}}, "read"),
    ],
)
async def test_a_true_signature_is_not_enough(provider, verifier, changes, why):
    rejected = await rejection(verifier, provider.token(**changes))
    assert rejected.status == 403
    assert why in rejected.reason
    assert json.loads(rejected.body)["reasonCode"] == "FORBIDDEN"


async def test_a_known_key_with_a_bad_signature_is_refused_without_fetching(provider, verifier):
    provider.keys["key-2"] = ec.generate_private_key(ec.SECP256R1())
    await verifier.verify(provider.token())
    assert (await rejection(verifier, provider.token("key-1", signed_by="key-2"))).status == 403
    assert provider.fetches == 1


@pytest.mark.parametrize("body", [b"", b"garbage", b"a.b.c", b'{"event":"ORDER_STATUS_UPDATED"}', b"\xff" * 64])
async def test_what_is_no_token_is_refused(verifier, body):
    assert (await rejection(verifier, body)).status == 403


async def test_a_token_without_a_signature_or_with_a_shared_secret_is_refused(provider, verifier):
    payload = json.dumps({"event": "X"}).encode()
    unsigned = jwt.PyJWS().encode(payload, None, "none", {"kid": "key-1", "iat": NOW, "exp": NOW + 300})
    shared = jwt.PyJWS().encode(payload, "s" * 32, "HS256", {"kid": "key-1", "iat": NOW, "exp": NOW + 300})
    for token in (unsigned, shared):
        assert "ES256" in (await rejection(verifier, token.encode())).reason


async def test_a_new_key_is_fetched_when_it_is_first_seen(provider, verifier, clock):
    await verifier.verify(provider.token())
    provider.keys["key-2"] = ec.generate_private_key(ec.SECP256R1())
    clock.now = KEYS_PAUSE_S
    await verifier.verify(provider.token("key-2"))
    assert provider.fetches == 2


async def test_a_flood_of_unknown_keys_causes_one_fetch(provider, verifier, clock):
    await verifier.verify(provider.token())
    clock.now = KEYS_PAUSE_S
    for number in range(50):
        assert (await rejection(verifier, provider.token(f"unknown-{number}", signed_by="key-1"))).status == 403
    assert provider.fetches == 2


async def test_expired_keys_are_fetched_again_and_kept_while_the_provider_is_away(provider, verifier, clock):
    await verifier.verify(provider.token())
    clock.now = KEYS_TTL_S
    provider.is_away = True
    await verifier.verify(provider.token())
    assert provider.fetches == 2


async def test_without_any_keys_the_provider_is_asked_to_come_back(provider, verifier):
    provider.is_away = True
    assert (await rejection(verifier, provider.token())).status == 503


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b'{"keys": 1}', b'{"keys": ["a"]}', b"\xff"])
async def test_keys_that_cannot_be_read_are_no_keys(provider, verifier, answer):
    provider.answer = answer
    assert (await rejection(verifier, provider.token())).status == 503


async def test_a_token_that_names_a_key_of_another_kind_is_refused(provider, verifier):
    modulus = rsa.generate_private_key(65537, 2048).public_key()
    curve = ec.generate_private_key(ec.SECP384R1()).public_key()
    provider.others = [
        {**RSAAlgorithm.to_jwk(modulus, as_dict=True), "kid": "rsa"},
        {**ECAlgorithm.to_jwk(curve, as_dict=True), "kid": "p-384"},
    ]
    for kid in ("rsa", "p-384"):
        assert (await rejection(verifier, provider.token(kid, signed_by="key-1"))).status == 403
    await verifier.verify(provider.token())


async def test_the_first_calls_wait_for_one_fetch(provider, verifier):
    await asyncio.gather(*(verifier.verify(provider.token()) for _ in range(20)))
    assert provider.fetches == 1


async def test_keys_fetched_again_replace_the_old_ones(provider, verifier, clock):
    await verifier.verify(provider.token())
    withdrawn = provider.token()
    provider.keys = {"key-2": ec.generate_private_key(ec.SECP256R1())}
    clock.now = KEYS_TTL_S
    assert (await rejection(verifier, withdrawn)).status == 403
    await verifier.verify(provider.token("key-2"))


def test_an_order_event_is_read():
    callback = parse(Provider().token())
    assert callback.references == ("order-1",)
    assert callback.observed.status is PaymentStatus.CAPTURED
    assert callback.dedupe == "ORDER_STATUS_UPDATED/order-1/CAPTURED"


def test_an_operation_event_names_our_operation():
    operation_id = "6b2a9d0e-1c1f-4a53-9a54-5f3c0b7a1d10"
    operation = {
        "operationId": "theirs",
        "operationType": "REFUND",
        "orderId": "order-1",
        "status": "SUCCESS",
        "externalOperationId": operation_id,
    }
    payload = {"event": "OPERATION_STATUS_UPDATED", "operation": operation, "order": None}
    callback = parse(Provider().token(payload=payload))
    (observed,) = callback.observed.operations
    assert (observed.type, observed.status) == (OperationType.REFUND, OperationStatus.SUCCESS)
    assert str(observed.operation_id) == operation_id
    assert callback.references == ("order-1", operation_id)


def test_the_same_event_delivered_again_has_the_same_identity():
    provider = Provider()
    first, again = provider.token(), provider.token(iat=int(time.time()))
    assert first != again
    assert parse(first).dedupe == parse(again).dedupe


@pytest.mark.parametrize(
    "body",
    [
        b"garbage",
        Provider().token(payload={"order": None}),
        Provider().token(payload={"order": {"paymentStatus": "CAPTURED"}}),
        Provider().token(payload={"eventTime": 5}),
    ],
    ids=["no token", "about nothing", "an order without an id", "a time that is none"],
)
def test_an_event_that_cannot_be_read_is_said_so(body):
    with pytest.raises(InvalidMessage):
        parse(body)


def test_a_status_we_do_not_know_is_no_news():
    callback = parse(Provider().token(payload={"order": {"orderId": "order-1", "paymentStatus": "TO_BE_INVENTED"}}))
    assert callback.observed.status is None
