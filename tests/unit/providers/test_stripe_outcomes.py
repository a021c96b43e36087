"""What the Stripe adapter makes of each answer, and what it asks."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from billing.vocabulary import Outcome
from providers.http import CallLimits
from providers.stripe import Stripe
from providers.stripe.responses import refused
from providers.stripe.settings import StripeSettings

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
