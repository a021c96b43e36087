"""A running stack with paid payments."""

from typing import Any

import pytest

from runtime.settings import Settings
from tests.conftest import Stack


@pytest.fixture(scope="session")
def settings(stack: dict[str, Any]) -> Settings:
    return Settings(postgres_url=stack["urls"]["postgres"], kafka_url=stack["urls"]["kafka"])


@pytest.fixture(scope="session")
def paid(running: Stack) -> Stack:
    """The stack after a demo, migrated to this release."""
    played = running.billing("demo", "--payments", "10", "--subscribers", "0", "--json")
    assert played.returncode == 0, played.stdout + played.stderr
    return running
