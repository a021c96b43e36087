"""Commands run inside the tests' process: each sets up logging for a whole process."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def logging_of_the_tests() -> Iterator[None]:
    """What a command sets up ends with its test: else it would write among the lines of the next one's command."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
