"""What must not get in: each with its status and problem, and no trace in Kafka."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import jwt
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from cryptography.hazmat.primitives.asymmetric import ec

from billing.messages.topics import CALLBACKS, INBOX

BODY: dict[str, Any] = {
    "customer_id": "customer-1",
    "currency": "RUB",
    "amount": 59_900,
    "provider": "yandex-pay",
    "cart": {"items": [{"product_id": "film-1", "title": "Stalker", "quantity": 1, "unit_price": 59_900}]},
    "return_urls": {"success": "https://cinema.example/paid", "failure": "https://cinema.example/failed"},
}


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def nothing_in_kafka(stack) -> AsyncIterator[None]:
    """The ends of both topics that ingest writes are where they were."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack["urls"]["kafka"])
    await consumer.start()
    places = [TopicPartition(topic.name, n) for topic in (INBOX, CALLBACKS) for n in range(12)]
    before = await consumer.end_offsets(places)
    yield
    assert await consumer.end_offsets(places) == before
    await consumer.stop()


def changed(**fields: Any) -> bytes:
    return json.dumps(BODY | fields).encode()


def item(**fields: Any) -> dict[str, Any]:
    return {"items": [BODY["cart"]["items"][0] | fields]}


@pytest.mark.usefixtures("nothing_in_kafka")
@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        pytest.param(b'{"customer_id": ', 400, "malformed-json", id="malformed JSON"),
        pytest.param(changed(provider="paypal"), 422, "unknown-provider", id="unknown provider"),
        pytest.param(changed(amount=-1), 422, "invalid-request", id="negative amount"),
        pytest.param(changed(amount=599.5), 422, "invalid-request", id="fractional amount"),
        pytest.param(changed(amount="59900"), 422, "invalid-request", id="amount as text"),
        pytest.param(changed(cart=item(unit_price=-59_900)), 422, "invalid-request", id="negative price"),
        pytest.param(changed(cart=item(quantity=0.5)), 422, "invalid-request", id="fractional quantity"),
        pytest.param(changed(amount=59_901), 422, "cart-total-mismatch", id="total does not match"),
        pytest.param(changed(currency="XXX"), 422, "invalid-request", id="unknown currency"),
        pytest.param(changed(metadata={"k": "v" * 300_000}), 413, "body-too-large", id="body over the limit"),
    ],
)
async def test_a_bad_body_is_a_problem_and_never_reaches_kafka(http, stack, body, status, problem):
    headers = {
        "Authorization": f"Bearer {stack['api_key']}",
        "Idempotency-Key": "bad-input",
        "Content-Type": "application/json",
    }
    async with http.post(f"{stack['urls']['ingest']}/v1/payments", data=body, headers=headers) as answer:
        assert answer.status == status, await answer.text()
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["type"].endswith(f"/{problem}")


@pytest.mark.usefixtures("nothing_in_kafka")
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic d3Jvbmc6d3Jvbmc=", "Bearer "])
async def test_a_missing_or_wrong_key_is_refused(http, stack, authorization):
    headers = {"Idempotency-Key": "bad-input"} | ({"Authorization": authorization} if authorization else {})
    async with http.post(f"{stack['urls']['ingest']}/v1/payments", json=BODY, headers=headers) as answer:
        assert answer.status == 401
        assert "WWW-Authenticate" in answer.headers
        assert (await answer.json())["type"].endswith("/unauthorized")


def forged() -> bytes:
    """A token with the provider's key id, signed by somebody else."""
    payload = json.dumps({"event": "ORDER_STATUS_UPDATED", "eventTime": "2026-11-23T00:00:00Z", "merchantId": "m"})
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.PyJWS().encode(payload.encode(), key, "ES256", {"kid": "sandbox", "iat": 1, "exp": 2}).encode()


def unsigned() -> bytes:
    def part(value: dict[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    return b".".join((part({"alg": "none", "typ": "JWT"}), part({"event": "ORDER_STATUS_UPDATED"}), b""))


@pytest.mark.usefixtures("nothing_in_kafka")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps({"event": "ORDER_STATUS_UPDATED"}).encode(), id="plain JSON"),
        pytest.param(unsigned(), id="unsigned token"),
        pytest.param(forged(), id="badly signed token"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_a_webhook_that_is_not_signed_by_the_provider_is_refused(http, stack, body):
    url = f"{stack['urls']['ingest']}/webhooks/yandex-pay/v1/webhook"
    async with http.post(url, data=body, headers={"Content-Type": "application/octet-stream"}) as answer:
        assert answer.status == 403
        assert await answer.json() == {
            "status": "fail",
            "reasonCode": "FORBIDDEN",
            "reason": (await answer.json())["reason"],
        }


@pytest.mark.usefixtures("nothing_in_kafka")
async def test_a_webhook_over_the_limit_is_refused(http, stack):
    url = f"{stack['urls']['ingest']}/webhooks/yandex-pay/v1/webhook"
    async with http.post(url, data=b"x" * 1_000_000) as answer:
        assert answer.status == 413
