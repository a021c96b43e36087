"""Ports of this machine that no two stacks choose at the same time.

A server of a stack listens some time after its port was chosen. Until then a second stack would find the port free, so
whoever chooses a port locks a file named after it for as long as the process lives.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Final

#: Below the ports that systems hand out to outgoing connections: those would be taken when a part comes back.
PORTS: Final = range(20_000, 32_000)

#: The ports that this process has claimed, each with the descriptor of its locked file.
_claimed: dict[int, int] = {}


def free_port() -> int:
    """A port that nobody listens on and nobody else has claimed; it is claimed until this process ends."""
    while True:
        port = random.choice(PORTS)  # noqa: S311 - not a secret
        if port not in _claimed and claim(port):
            return port


def claim(port: int) -> bool:
    """Claim a port until this process ends; ``False`` where somebody listens on it or another process claimed it."""
    if port not in _claimed:
        file = os.open(_claims() / str(port), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        _claimed[port] = file
    return is_free(port)


def is_free(port: int) -> bool:
    """Whether a server may listen on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _claims() -> Path:
    folder = Path(tempfile.gettempdir()) / f"billing-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
