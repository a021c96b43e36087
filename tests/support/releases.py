"""Two releases of the service side by side: this one, and the last, installed from a wheel built from its commit."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path

from deploy.local.part import Check

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90
#: A worker may give up while partitions move: its supervisor starts it again.
EXIT_ABANDONED = 70


@dataclass(frozen=True)
class Release:
    """A release of the service. ``folder``: where its packages are; it goes first on the interpreter's path."""

    name: str
    folder: Path

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The environment of one of its processes: none of the caller's own settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
        return {**kept, "PYTHONPATH": str(self.folder), "PYTHONUNBUFFERED": "1", **settings}

    def billing(self, settings: Mapping[str, str], *arguments: str) -> str:
        """Run a `billing` command of this release; its standard output. Fails where the command does."""
        command = [sys.executable, "-m", "cli.main", *arguments]
        done = subprocess.run(
            command, env=self.environment(settings), cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{self.name}: {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


THIS = Release("this release", ROOT)


def last_commit() -> str | None:
    """The commit of the last release, as pyproject.toml names it; ``None`` where this checkout does not hold it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        commit: str = tomllib.load(file)["tool"]["billing"]["last-release"]
    found = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    return commit if found.returncode == 0 else None


def install(commit: str, folder: Path) -> Release:
    """Build the wheel of a commit and install it into a folder of its own, on this release's dependencies and those
    that this release does without."""
    source, wheels, target = folder / "source", folder / "wheels", folder / "installed"
    source.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "build", "--quiet", "--system-certs", "--wheel", "--out-dir", wheels, source], check=True)
    (wheel,) = wheels.glob("*.whl")
    install = [*uv, "pip", "install", "--quiet", "--system-certs", "--no-deps", "--python", sys.executable]
    subprocess.run([*install, "--target", target, wheel], check=True)
    (package,) = distributions(path=[str(target)])
    if gone := [name for name in map(_name_of, package.requires or ()) if not _is_installed(name)]:
        subprocess.run([*install, "--target", target, *gone], check=True)
    # Kafka's jars come from Maven, not from the wheel.
    shutil.copytree(ROOT / "deploy/local/jars", target / "deploy/local/jars", copy_function=os.link)
    return Release(f"release {commit[:7]}", target)


def _name_of(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None, requirement
    return name.group()


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


class Process:
    """One process of the service that can be replaced by the same one of another release."""

    def __init__(
        self, kind: str, ready: Check, settings: Mapping[str, str], log: Path, heartbeat: Path | None = None
    ) -> None:
        self._kind = kind
        self._heartbeat = heartbeat
        self._ready = ready
        self._settings = settings
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, release: Release) -> None:
        """Start it, and return when it is ready. Starts it again where it gives up, as its supervisor would."""
        self._process = self._spawn(release)
        async with asyncio.timeout(PATIENCE_S):
            while not await self._ready():
                if (code := self._process.poll()) is not None:
                    assert code == EXIT_ABANDONED, f"{release.name}: {self._kind} left with {code}: see {self._log}"
                    self._process = self._spawn(release)
                await asyncio.sleep(0.1)

    def _spawn(self, release: Release) -> subprocess.Popen[bytes]:
        if self._heartbeat is not None:
            self._heartbeat.unlink(missing_ok=True)  # its predecessor's
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "cli.main", "run", self._kind],
                env=release.environment(self._settings),
                cwd=release.folder,
                stdout=log,
                stderr=log,
            )

    async def replace(self, release: Release) -> None:
        """Ask it to leave, as a deployment does, and start the same one of another release."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self._process.wait, PATIENCE_S)
        assert code in (0, EXIT_ABANDONED), f"{self._kind} left with {code}: see {self._log}"
        await self.start(release)

    def kill(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
