"""Connections to ClickHouse over HTTP, to a server and to the embedded engine alike."""

from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from clickhouse_connect import get_async_client
from clickhouse_connect.driver.asyncclient import AsyncClient

#: Seconds to connect, and to wait for data: a caller must notice an outage of ClickHouse.
CONNECT_TIMEOUT_S: Final = 5
RECEIVE_TIMEOUT_S: Final = 20
DEFAULT_DATABASE: Final = "default"


def database_of(url: str) -> str:
    """The database that ``http://user:password@host:port/database`` names."""
    return unquote(urlsplit(url).path.strip("/")) or DEFAULT_DATABASE


async def connect(url: str, *, database: str | None = None, receive_timeout_s: int = RECEIVE_TIMEOUT_S) -> AsyncClient:
    """A client for ``url``; ``database`` overrides the one in it. Reads the server's version and settings.
    ``receive_timeout_s``: seconds to wait for data, more for a slow statement.

    Raises clickhouse-connect's ``OperationalError`` while the server is unavailable.
    """
    parts = urlsplit(url)
    return await get_async_client(
        interface=parts.scheme,
        host=parts.hostname or "localhost",
        port=parts.port or (8443 if parts.scheme == "https" else 8123),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
        database=database or database_of(url),
        ca_cert=parse_qs(parts.query).get("ca_cert", [None])[0],
        connect_timeout=CONNECT_TIMEOUT_S,
        send_receive_timeout=receive_timeout_s,
        compress=False,
        # Requests of one client overlap, and a session allows one at a time (error 373).
        autogenerate_session_id=False,
    )
