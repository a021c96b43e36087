"""How uvicorn serves the application, and how it leaves."""

import socket
from collections.abc import Sequence
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from ingest_api.waiting import WaitingRequests

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


class IngestServer(uvicorn.Server):
    """uvicorn that answers waiting requests at once when it leaves: their commands are stored."""

    def __init__(self, config: uvicorn.Config, waiting: WaitingRequests) -> None:
        super().__init__(config)
        self._waiting = waiting

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._waiting.release()
        await super().shutdown(sockets)
