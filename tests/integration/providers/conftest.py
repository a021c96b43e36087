"""The sandbox and the adapter, talking to each other over HTTP in this process."""

import pytest

from tests.support.sandbox import a_world


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        yield world
