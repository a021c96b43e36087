"""docker-compose.yml, started by Podman in a network of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
#: Those of a profile start only where it is asked for.
SERVICES: dict[str, dict[str, Any]] = {
    name: service for name, service in FILE["services"].items() if "profiles" not in service
}
OVERRIDE: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "compose" / "override.yml").read_text())
REPLICAS = {name: service["scale"] for name, service in OVERRIDE["services"].items() if "scale" in service}
#: All healthy within this, from the first command on, seconds.
HEALTHY_WITHIN_S = 120.0
#: Longer than that the start is given up, seconds: a busy machine then says how long it took.
PATIENCE_S = 400.0


class Compose:
    """The project, in the network namespace and with the image store that `tests/compose/run.sh` made."""

    def __init__(self, network: str) -> None:
        self._enter = ["nsenter", f"--net={network}"]
        self.healthy_after_s: dict[str, float] = {}

    def podman(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        done = subprocess.run(
            [*self._enter, "podman", *arguments], check=False, input=stdin, capture_output=True, text=True, timeout=300
        )
        assert not check or done.returncode == 0, f"podman {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout if done.returncode == 0 else ""

    def compose(self, *arguments: str) -> None:
        done = subprocess.run(
            [
                *self._enter, str(Path(sys.executable).parent / "podman-compose"),
                "-f", "docker-compose.yml", "-f", "tests/compose/override.yml", *arguments,
            ],
            check=False, cwd=ROOT, capture_output=True, text=True, timeout=300,
            env={**os.environ, "COMPOSE_PROJECT_NAME": FILE["name"]},
        )  # fmt: skip
        assert done.returncode == 0, f"podman-compose {' '.join(arguments)}: {done.stdout}{done.stderr}"

    def containers(self, service: str) -> list[str]:
        """Names of the service's containers."""
        label = f"label=io.podman.compose.service={service}"
        return self.podman("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()

    def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.podman("inspect", container))[0]
        return found

    def execute(self, container: str, *command: str, stdin: str | None = None) -> str:
        return self.podman("exec", "--interactive", container, *command, stdin=stdin)

    def start(self) -> None:
        """Start all services as `docker compose up` does: each when what it depends on is healthy or has ended well.

        Podman of Debian 12 cannot wait for health, so that is done here, by the checks of the file itself.
        """
        started_at = time.monotonic()
        done: set[str] = set()
        waiting = dict(SERVICES)
        started: set[str] = set()
        while len(done) < len(SERVICES):
            ready = [name for name in waiting if set(waiting[name].get("depends_on", ())) <= done]
            if ready:
                self.compose("up", "--detach", "--no-build", "--no-deps", *ready)
                started |= set(ready)
                for name in ready:
                    del waiting[name]
            for name in sorted(started - done):
                if self._is_done(name):
                    done.add(name)
                    self.healthy_after_s[name] = time.monotonic() - started_at
            late = time.monotonic() > started_at + PATIENCE_S
            assert not late, f"not healthy: {sorted(set(SERVICES) - done)}\n{self.logs(started - done)}"
            time.sleep(0.5)

    def logs(self, services: set[str]) -> str:
        return "\n".join(
            f"--- {container}\n{self._log(container)}"
            for service in sorted(services)
            for container in self.containers(service)
        )

    def _log(self, container: str) -> str:
        command = [*self._enter, "podman", "logs", "--tail", "25", container]
        return subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
        ).stdout

    def _is_done(self, service: str) -> bool:
        containers = self.containers(service)
        if "healthcheck" not in SERVICES[service]:
            state = self.inspect(containers[0])["State"]
            assert state["Status"] != "exited" or state["ExitCode"] == 0, self.logs({service})
            return bool(state["Status"] == "exited")
        assert len(containers) == REPLICAS.get(service, 1)
        command = [*self._enter, "podman", "healthcheck", "run"]
        return all(
            subprocess.run([*command, container], check=False, capture_output=True, timeout=60).returncode == 0
            for container in containers
        )


@pytest.fixture(scope="session")
def compose() -> Iterator[Compose]:
    if missing := os.environ.get("BILLING_COMPOSE_MISSING"):
        pytest.skip(f"containers cannot be run here: {missing}")
    network = os.environ.get("BILLING_COMPOSE_NETWORK")
    if network is None:
        pytest.skip("run it by `make compose-test`, which builds the images and gives it a network of its own")
    project = Compose(network)
    try:
        project.start()
        yield project
    finally:
        project.compose("down", "--volumes", "--timeout", "30")
