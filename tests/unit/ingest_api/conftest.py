"""The ingest API on a free port, and a valid request."""

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from billing.messages import PaymentChanged
from tests.support.ingest_server import World, payment_of, serving, until


@pytest.fixture(scope="session")
async def session_world() -> AsyncIterator[World]:
    async with serving() as world:
        yield world


@pytest.fixture
def world(session_world: World, request: pytest.FixtureRequest) -> World:
    """The API, with nothing recorded and nobody answering yet."""
    session_world.key = f"key-{zlib.crc32(request.node.nodeid.encode())}"  # the process remembers those of other tests
    session_world.writer.records.clear()
    session_world.writer.away = False
    session_world.writer.on_store = None
    session_world.replies.partition = 3
    session_world.reads.payments_of.clear()
    session_world.reads.error = None
    session_world.reads.journal.clear()
    session_world.reads.refusals = {}
    session_world.reads.journal_reads = 0
    return session_world


@pytest.fixture
def serve() -> Callable[..., Any]:
    """A server of a test's own, with its own settings."""
    return serving


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    return until


@pytest.fixture
def make_payment() -> Callable[..., PaymentChanged]:
    return payment_of


@pytest.fixture
def body() -> dict[str, Any]:
    """A valid request for a payment."""
    return {
        "customer_id": "c-1842",
        "currency": "RUB",
        "amount": 129700,
        "provider": "yandex-pay",
        "capture_mode": "ONE_STAGE",
        "cart": {
            "items": [
                {"product_id": "film-77", "title": "Сталкер", "quantity": 1, "unit_price": 49900, "tax": "vat20"},
                {"product_id": "pass-1", "title": "Pass", "quantity": 2, "unit_price": 39900, "type": "DIGITAL"},
            ]
        },
        "return_urls": {"success": "https://cinema.example/ok", "failure": "https://cinema.example/no?a=1"},
        "contact": {"email": "viewer@example.com", "phone": "+79001234567"},
        "metadata": {"campaign": "spring"},
    }
