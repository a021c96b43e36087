"""A stack on which customers have paid."""

import pytest

from tests.conftest import Stack


@pytest.fixture(scope="session")
def paid(running: Stack) -> Stack:
    """The stack after a demo."""
    played = running.billing("demo", "--payments", "20", "--subscribers", "0", "--json")
    assert played.returncode == 0, played.stdout + played.stderr
    return running
