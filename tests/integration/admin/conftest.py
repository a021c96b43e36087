"""The admin application over a database of the test's own."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.access.scopes import Scope
from storage.access.api_keys import StoredKey
from storage.access.key_ring import digest_of
from tests.support.factories import NOW
from tests.unit.admin.conftest import World, serving

#: Client → its scopes. A client's key is its name and ``-key``.
CLIENTS: Final = {
    "auditor": (Scope.CLEARING_READ,),
    "finance": (Scope.CLEARING_READ, Scope.CLEARING_WRITE),
    "desk": (Scope.CLEARING_READ, Scope.CLEARING_WRITE),
    "books": (Scope.CLEARING_READ, Scope.CLEARING_CLOSE),
    "analyst": (Scope.ANALYTICS_ALL,),
}


@pytest.fixture
async def world(database: AsyncEngine, stack: dict[str, Any]) -> AsyncIterator[World]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        world.keys.keys = [
            StoredKey(
                id=name,
                client=name,
                hash=digest_of(f"{name}-key"),
                scopes=list(scopes),
                rate_per_s=None,
                created_at=NOW,
                revoked_at=None,
                last_used_at=None,
            )
            for name, scopes in CLIENTS.items()
        ]
        await world.access.keys.refresh()
        yield world
