"""The callbacks of each provider and their responses, with the real verification and signatures."""

import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from billing.messages.topics import CALLBACKS
from providers import registry
from providers.sandbox.stripe.signing import signature
from providers.sandbox.tbank.signing import token
from providers.stripe.settings import StripeCallbackSettings
from providers.tbank.settings import TBankCallbackSettings
from providers.yandex_pay.settings import YandexPayCallbackSettings
from providers.yookassa.settings import YooKassaCallbackSettings
from tests.support.ingest_server import Answer, Served, serving
from tests.support.signed_tokens import MERCHANT, Provider

WHSEC, PASSWORD, TERMINAL = "whsec_1", "password-1", "1700000000000DEMO"


@dataclass(frozen=True)
class Sent:
    """A callback. ``answer``: status 200 with this body and type; ``key``: what Kafka keeps it under."""

    provider: str
    body: bytes
    headers: dict[str, str]
    key: bytes
    answer: bytes
    type: str = "application/json"
    path: str = ""
    refusal: int = 403
    """What the same callback is answered when its sender is not proven."""

    async def to(self, world: Served, body: bytes | None = None, **headers: str) -> Answer:
        sent = self.body if body is None else body
        return await world.send("POST", f"/webhooks/{self.provider}{self.path}", (self.headers | headers).items(), sent)


def of_yandex_pay(keys: Provider) -> Sent:
    now = int(time.time())
    return Sent(
        "yandex-pay",
        keys.token(iat=now, exp=now + 300),
        {"Content-Type": "application/octet-stream"},
        b"order-1",
        b'{"status":"success"}',
        path="/v1/webhook",
    )


def of_yookassa(_keys: Provider) -> Sent:
    body = b'{ "type":"notification", "event":"payment.succeeded", "object":{"id":"2f1c","status":"succeeded"} }'
    return Sent("yookassa", body, {"Content-Type": "application/json"}, b"2f1c", b"{}")


def of_stripe(_keys: Provider) -> Sent:
    shown = {"id": "pi_1", "object": "payment_intent", "status": "succeeded"}
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "created": 1, "data": {"object": shown}}
    body = json.dumps(event, indent=2).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    headers["Stripe-Signature"] = signature([WHSEC], body, time.time())
    return Sent("stripe", body, headers, b"pi_1", b'{"received":true}', refusal=400)


def of_tbank(_keys: Provider) -> Sent:
    sent = {"TerminalKey": TERMINAL, "OrderId": "21050", "Success": True, "Status": "CONFIRMED", "PaymentId": 1}
    sent |= {"ErrorCode": "0", "Amount": 100}
    body = json.dumps({**sent, "Token": token(sent, PASSWORD)}).encode()
    return Sent("tbank", body, {"Content-Type": "application/json"}, b"21050", b"OK", type="text/plain")


@pytest.fixture(params=[of_yandex_pay, of_yookassa, of_stripe, of_tbank], ids=lambda make: make.__name__[3:])
def make(request: pytest.FixtureRequest) -> Callable[[Provider], Sent]:
    """Each provider's callback, made with its keys."""
    found: Callable[[Provider], Sent] = request.param
    return found


@pytest.fixture
def sent(make: Callable[[Provider], Sent], keys: Provider) -> Sent:
    return make(keys)


@pytest.fixture(scope="module")
async def keys() -> Provider:
    return Provider()


@pytest.fixture(scope="module")
async def shop(keys: Provider) -> AsyncIterator[Served]:
    app = web.Application()
    app.router.add_get("/api/jwks", keys.publish)
    async with (
        TestServer(app) as server,
        serving(
            registry.build_verifiers(
                {
                    "yandex-pay": YandexPayCallbackSettings(url=str(server.make_url("")), merchant_id=MERCHANT),
                    "yookassa": YooKassaCallbackSettings(addresses=["127.0.0.0/8"]),
                    "stripe": StripeCallbackSettings(webhook_secrets=[SecretStr(WHSEC)]),
                    "tbank": TBankCallbackSettings(terminal_key=TERMINAL, password=SecretStr(PASSWORD)),
                }
            ),
            ingest_trusted_proxies=["127.0.0.0/8"],
        ) as world,
    ):
        yield world


@pytest.fixture(autouse=True)
def quiet(shop: Served) -> None:
    shop.writer.records.clear()
    shop.writer.unavailable = False


async def test_its_bytes_are_in_kafka_unchanged_before_it_gets_the_response_it_expects(
    shop: Served, sent: Sent
) -> None:
    answer = await sent.to(shop)

    assert (answer.status, answer.raw) == (200, sent.answer)
    assert answer.headers["Content-Type"].split(";")[0] == sent.type
    (record,) = shop.writer.records
    assert (record.topic, record.key, record.value) == (CALLBACKS.name, sent.key, sent.body)
    assert record.headers["provider"] == sent.provider.encode()
    assert record.headers["content-type"] == sent.headers["Content-Type"].encode()
    assert record.headers["ce_id"] == f"{sent.provider}/{hashlib.sha256(sent.body).hexdigest()}".encode()
    assert sent.headers.get("Stripe-Signature", "-").encode() not in record.headers.values()


async def test_a_sender_that_is_not_proven_is_refused_and_nothing_is_stored(shop: Served, sent: Sent) -> None:
    forged = b"forged" if sent.provider == "yandex-pay" else sent.body.replace(b"1", b"2").replace(b"C", b"D")
    stranger = {"X-Forwarded-For": "203.0.113.9"} if sent.provider == "yookassa" else {}
    answer = await sent.to(shop, forged, **stranger)

    assert answer.status == sent.refusal
    assert shop.writer.records == []


async def test_while_kafka_is_unavailable_it_is_asked_to_retry(shop: Served, sent: Sent) -> None:
    shop.writer.unavailable = True
    answer = await sent.to(shop)

    answer.is_problem(503, "service-unavailable")
    assert answer.headers["Retry-After"] == "1"


async def test_more_than_any_callback_has_is_refused(shop: Served, sent: Sent) -> None:
    (await sent.to(shop, sent.body + b" " * 65_536)).is_problem(413, "body-too-large")
    assert shop.writer.records == []
