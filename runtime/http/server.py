"""uvicorn in every process that serves HTTP: its configuration and its end."""

import asyncio
import signal
from functools import partial
from types import FrameType
from typing import Any, NoReturn, cast

import uvicorn

from runtime.http.connections import BoundedConnection, Bounds
from runtime.process import STOP_SIGNALS


def http_config(
    app: Any, host: str, port: int, trusted_proxies: list[str], bounds: Bounds, **options: Any
) -> uvicorn.Config:
    """The configuration, with ``bounds`` for every connection. ``X-Forwarded-For`` is trusted from ``trusted_proxies``
    only."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        access_log=False,
        log_config=None,
        server_header=False,
        http=cast(type[asyncio.Protocol], partial(BoundedConnection, bounds)),
        ws="none",
        lifespan="on",
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        **options,
    )


def serve_http(server: uvicorn.Server) -> None:
    """Serve until SIGTERM or SIGINT, finish the accepted requests, and exit with code 0."""
    for number in STOP_SIGNALS:
        signal.signal(number, _exit)  # uvicorn raises the signal again after its shutdown
    server.run()


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
