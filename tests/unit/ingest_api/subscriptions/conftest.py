"""A shop that sells subscriptions, with an API of its own."""

import pytest

from tests.support.ingest_server import World
from tests.support.subscription_shop import Shop


@pytest.fixture
def shop(world: World) -> Shop:
    return Shop(world)
