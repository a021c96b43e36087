"""Where the local stack keeps its things, and what it remembers between starts."""

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.local.ports import claim, free_port

#: A log larger than this is moved aside, bytes; one older piece is kept.
LOG_LIMIT_BYTES: Final = 32 * 1024 * 1024


class Layout:
    """The paths below one state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.logs = self.root / "logs"
        self.beats = self.root / "beats"
        self.status = self.root / "stack.json"
        self.memory = self.root / "memory.json"
        self.workers = self.root / "workers"
        self.lock = self.root / "lock"

    def prepare(self) -> None:
        """Make the folders. They hold secrets and payment data: for the owner alone."""
        for folder in (self.root, self.logs, self.beats):
            folder.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)

    def data(self, part: str) -> Path:
        """The data folder of a part."""
        path = self.root / part
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, part: str) -> Path:
        """The log of a part."""
        return self.logs / f"{part}.log"

    def wipe(self) -> None:
        """Remove what the stack keeps here, and the folder if nothing else is in it."""
        if not self.lock.exists():
            return  # no supervisor ever ran here
        for path in self.root.iterdir():
            if path.name in KEPT_IN_STATE:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not any(self.root.iterdir()):
            self.root.rmdir()


#: Everything the stack puts into its state folder.
KEPT_IN_STATE: Final = frozenset(
    {
        "logs", "beats", "kafka", "postgres", "rabbitmq", "clickhouse", "faust", "sandbox",
        "stack.json", "memory.json", "workers", "lock",
    }
)  # fmt: skip


def trim_log(path: Path) -> None:
    """Move the content of a log over the limit aside. Its writer appends, and goes on at the new end."""
    if path.stat().st_size > LOG_LIMIT_BYTES:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        os.truncate(path, 0)


class Memory(msgspec.Struct):
    """What must stay the same from start to start: ports, passwords, keys."""

    ports: dict[str, int] = {}
    secrets: dict[str, str] = {}

    def port(self, name: str) -> int:
        """The port of ``name``: a free one the first time, the same ever after. This process claims it."""
        if name not in self.ports:
            self.ports[name] = free_port()
        return self.ports[name]

    def secret(self, name: str) -> str:
        """A random secret, the same ever after."""
        return self.secrets.setdefault(name, secrets.token_urlsafe(24))


def load_memory(layout: Layout) -> Memory:
    """What was remembered; an empty memory at the first start. Only while nothing of the stack runs: a port that
    somebody else took in the meantime is forgotten."""
    if not layout.memory.exists():
        return Memory()
    memory = msgspec.json.decode(layout.memory.read_bytes(), type=Memory)
    memory.ports = {name: port for name, port in memory.ports.items() if claim(port)}
    return memory


def save_memory(layout: Layout, memory: Memory) -> None:
    """Remember."""
    write_private(layout.memory, msgspec.json.encode(memory))


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once, readable by its owner alone."""
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def read_status(layout: Layout) -> dict[str, Any] | None:
    """What the supervisor last wrote; ``None`` where none ever ran."""
    try:
        status: dict[str, Any] = json.loads(layout.status.read_text())
    except FileNotFoundError:
        return None
    return status


def want_workers(layout: Layout, count: int) -> None:
    """Note how many workers there shall be."""
    layout.workers.write_text(str(count))


def wanted_workers(layout: Layout) -> int:
    """How many workers there shall be; one, unless somebody said otherwise."""
    return int(layout.workers.read_text()) if layout.workers.exists() else 1
