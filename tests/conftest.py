"""The real stack for the tests that need it: started once a session, the way `billing up` starts it."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How fast examples are made says something about the machine, not about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

BILLING = (sys.executable, "-m", "cli.main")
#: Set it to the state folder of a running stack to use that one while working on a test.
REUSE = "BILLING_TEST_STATE_DIR"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes run the tests, a file stays with one: each process has a stack of its own."""
    for item in items:
        file = item.path.relative_to(config.rootpath)
        item.add_marker(pytest.mark.xdist_group(str(file)))


@pytest.fixture(autouse=True)
def logging_of_the_tests() -> Iterator[None]:
    """What a command sets up inside the tests' process ends with its test: else it would write among the lines of the
    next one's command."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


class Stack:
    """A running local stack and the commands that act on it."""

    def __init__(self, state_dir: Path) -> None:
        # The caller's own settings must not leak into the stack under test.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
        self.state_dir = state_dir
        self.environment = {**kept, "BILLING_STATE_DIR": str(state_dir)}

    def billing(self, *arguments: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run a `billing` command against this stack."""
        return subprocess.run(
            [*BILLING, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def up(self) -> dict[str, Any]:
        """Bring up what is not running; the status."""
        started = self.billing("up", "--json")
        assert started.returncode == 0, started.stdout + started.stderr
        status: dict[str, Any] = json.loads(started.stdout)
        return status

    def pid(self, name: str) -> int:
        """The process id of a part."""
        status = json.loads(self.billing("status", "--json").stdout)
        return int(next(process["pid"] for process in status["processes"] if process["name"] == name))


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, to act upon."""
    if reuse := os.environ.get(REUSE):
        stack = Stack(Path(reuse))
        stack.up()
        yield stack
        return
    stack = Stack(tmp_path_factory.mktemp("stack") / "state")
    try:
        stack.up()
        yield stack
    finally:
        stack.billing("down")


@pytest.fixture(scope="session")
def stack(running: Stack) -> dict[str, Any]:
    """The status of the stack: ``urls``, ``api_key``, ``embedded``."""
    status: dict[str, Any] = json.loads(running.billing("status", "--json").stdout)
    return status
