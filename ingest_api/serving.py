"""How uvicorn serves the application, and how it leaves."""

import socket
from collections.abc import Sequence
from typing import Final, Protocol

import uvicorn
from starlette.types import ASGIApp

#: Seconds a leaving process gives to requests under way; more than a write to Kafka may take.
GRACE_S: Final = 15
#: Seconds an idle connection is kept: longer than the clients' own limit, so that they close first.
KEEP_ALIVE_S: Final = 75


def server_config(app: ASGIApp, host: str, port: int, trusted_proxies: Sequence[str] = ()) -> uvicorn.Config:
    """How uvicorn serves us. ``trusted_proxies``: addresses and networks whose ``X-Forwarded-For`` is believed."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


class Holding(Protocol):
    """What holds requests open."""

    def release(self) -> None:
        """Let them end now."""


class IngestServer(uvicorn.Server):
    """uvicorn that ends at once, when it leaves, what would hold it up: requests that wait (their commands are
    stored) and streams (their clients resume elsewhere)."""

    def __init__(self, config: uvicorn.Config, holding: Sequence[Holding]) -> None:
        super().__init__(config)
        self._holding = holding

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for part in self._holding:
            part.release()
        await super().shutdown(sockets)
