"""Where the local stack keeps its things, and what it remembers between starts."""

import json
import os
import secrets
import socket
from pathlib import Path
from typing import Any

import msgspec

#: A log larger than this is moved aside when its process starts, bytes.
LOG_LIMIT_BYTES = 32 * 1024 * 1024


class Layout:
    """The paths below one state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.logs = self.root / "logs"
        self.beats = self.root / "beats"
        self.status = self.root / "stack.json"
        self.memory = self.root / "memory.json"
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
        """The log of a part; a large one is moved aside."""
        path = self.logs / f"{part}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path


class Memory(msgspec.Struct):
    """What must stay the same from start to start: ports, passwords, keys."""

    ports: dict[str, int] = {}
    secrets: dict[str, str] = {}

    def port(self, name: str) -> int:
        """The port of ``name``: a free one the first time, the same ever after."""
        if name not in self.ports:
            self.ports[name] = _free_port(set(self.ports.values()))
        return self.ports[name]

    def secret(self, name: str) -> str:
        """A random secret, the same ever after."""
        return self.secrets.setdefault(name, secrets.token_urlsafe(24))


def load_memory(layout: Layout) -> Memory:
    """What was remembered; an empty memory at the first start."""
    if layout.memory.exists():
        return msgspec.json.decode(layout.memory.read_bytes(), type=Memory)
    return Memory()


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


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port
