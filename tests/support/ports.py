"""Ports for servers that start later, or twice."""

import random

from deploy.local.layout import PORTS, is_free

_given: set[int] = set()


def free_port() -> int:
    """A port that no connection of this machine is given by chance: the system takes those from a range of its own, so
    it may give away a port of that range before the test listens there."""
    while True:
        port = random.choice(PORTS)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
