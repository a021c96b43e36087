"""An ingest API of its own for each test, in its process; and a valid request."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.support.ingest_server import World, ingest, until, valid_body


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with ingest() as made:
        yield made


@pytest.fixture
def serve() -> Callable[..., Any]:
    """Another API, with its own providers or settings."""
    return ingest


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    return until


@pytest.fixture
def body() -> dict[str, Any]:
    """A valid request for a payment."""
    return valid_body()


@pytest.fixture(scope="session")
async def document() -> Any:
    """The OpenAPI document, which is the same for every API with the same providers."""
    async with ingest() as made:
        return (await made.get("/openapi.json")).json
