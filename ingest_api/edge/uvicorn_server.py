"""uvicorn: its configuration, and its shutdown."""

import asyncio
import socket
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol, cast

import uvicorn
from starlette.types import ASGIApp

from ingest_api.dependencies import Dependencies
from ingest_api.edge.connections import BoundedConnection, Bounds, connection_limit, refusal
from ingest_api.edge.request_context import HEADERS, POLICY
from ingest_api.problems.handlers import ErrorHandlers
from runtime.http.server import http_config

#: Seconds that requests in progress have at shutdown; more than a write to Kafka may take.
GRACE_S: Final = 15
#: Seconds an idle connection is kept: longer than the clients' own limit, so that they close first.
KEEP_ALIVE_S: Final = 75


def server_config(dependencies: Dependencies, app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """The configuration of uvicorn, with bounds for every connection."""
    settings = dependencies.settings
    headers = {name.decode(): value.decode() for name, value in (*HEADERS, POLICY)}
    bounds = Bounds(
        head_s=settings.ingest_head_timeout_s,
        body_s=settings.ingest_body_timeout_s,
        connections=connection_limit(settings.ingest_connections),
        refusal=refusal(ErrorHandlers(dependencies.metrics, {}), dependencies.new_id, headers),
    )
    return http_config(
        app,
        host,
        port,
        settings.ingest_trusted_proxies,
        http=cast(type[asyncio.Protocol], partial(BoundedConnection, bounds)),
        ws="none",
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


class Releasable(Protocol):
    """Something that keeps requests open."""

    def release(self) -> None:
        """End them now."""


class IngestServer(uvicorn.Server):
    """At shutdown, ends at once what would delay it: requests that wait for a reply (their commands are stored) and event
    streams (their clients resume at another process)."""

    def __init__(self, config: uvicorn.Config, holding: Sequence[Releasable]) -> None:
        super().__init__(config)
        self._holding = holding

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for part in self._holding:
            part.release()
        await super().shutdown(sockets)
