import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.renewals import RenewalWorld


@pytest.fixture
async def world(database: AsyncEngine) -> RenewalWorld:
    world = RenewalWorld(database)
    await world.start()
    return world
