"""ClickHouse's engine behind ClickHouse's HTTP interface: one small process, used exactly like a server.

Speaks what clickhouse-connect, curl and other HTTP clients use: the query in the URL or the body, settings and
``param_*`` as URL parameters, any format, bytes untouched, errors with ClickHouse's code and text. Where a server
keeps sessions, this one has none: a statement stands alone. Beyond a server, the database may stand in the path, so
that the address which `billing status` shows works in curl as it is.
"""

import base64
import binascii
import hmac
import re
import time
import uuid
from pathlib import Path
from typing import Any, Final

import lz4.frame
import msgspec
import structlog
from aiohttp import web

from deploy.local.clickhouse_engine import Answer, Engine, Query, QueryFailed

log = structlog.get_logger(__name__)

#: The largest request body, bytes: a batch of rows, not a data set.
BODY_LIMIT_BYTES: Final = 256 * 1024 * 1024
SHUTDOWN_S: Final = 10.0
#: URL parameters that are not settings of the query.
NOT_SETTINGS: Final = frozenset(
    {
        "query", "database", "default_format", "user", "password", "session_id", "session_timeout", "session_check",
        "compress", "decompress", "query_id", "quota_key", "role", "enable_http_compression",
        "http_zlib_compression_level", "send_progress_in_http_headers", "wait_end_of_query", "buffer_size",
        "http_headers_progress_interval_ms", "client_protocol_version",
    }
)  # fmt: skip
UNPACKED_BY_AIOHTTP: Final = frozenset({"", "identity", "gzip", "deflate", "zstd"})
_FORMAT: Final = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_CONTENT_TYPES: Final = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
}
AUTHENTICATION_FAILED: Final = 516
UNKNOWN_SETTING: Final = 115
CANNOT_DECOMPRESS: Final = 271
UNKNOWN_COMPRESSION_METHOD: Final = 89
#: ClickHouse's codes that it answers with 404: unknown table, unknown database.
NOT_FOUND: Final = frozenset({60, 81})


class Server:
    """The HTTP side."""

    def __init__(self, engine: Engine, user: str, password: str) -> None:
        self._engine = engine
        self._user = user
        self._password = password
        self._time_zone = ""

    def app(self) -> web.Application:
        """The application; opens the engine at its start and closes it at its end."""
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        app.router.add_get("/ping", self._ping)
        for path in ("/", "/{database}"):
            app.router.add_get(path, self._query)
            app.router.add_post(path, self._query)

        async def engine(_: web.Application) -> Any:
            self._time_zone = await self._engine.open()
            yield
            await self._engine.close()

        app.cleanup_ctx.append(engine)
        return app

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _query(self, request: web.Request) -> web.Response:
        if request.method == "GET" and "query" not in request.query:
            return web.Response(text="Ok.\n")
        if not self._is_known(request):
            return _failure(AUTHENTICATION_FAILED, "Authentication failed: password or user is incorrect", 403)
        started = time.perf_counter()
        try:
            query = await _query_of(request)
            answer = await self._engine.run(query)
        except QueryFailed as failed:
            return _failure(failed.code, str(failed), 404 if failed.code in NOT_FOUND else 400)
        return self._success(request, query, answer, time.perf_counter() - started)

    def _success(self, request: web.Request, query: Query, answer: Answer, elapsed_s: float) -> web.Response:
        named = _FORMAT.search(query.text[-100:].decode(errors="replace"))
        format = named[1] if named is not None else query.format
        summary = {
            "read_rows": str(answer.read_rows),
            "read_bytes": "0",
            "written_rows": str(answer.written_rows),
            "written_bytes": "0",
            "elapsed_ns": str(round(elapsed_s * 1e9)),
        }
        headers = {
            "X-ClickHouse-Summary": msgspec.json.encode(summary).decode(),
            "X-ClickHouse-Query-Id": request.query.get("query_id") or str(uuid.uuid4()),
            "X-ClickHouse-Format": format,
            "X-ClickHouse-Timezone": self._time_zone,
            "X-ClickHouse-Server-Display-Name": "billing-local",
            "Content-Type": _CONTENT_TYPES.get(format, "text/plain; charset=UTF-8"),
        }
        return web.Response(body=answer.body, headers=headers)

    def _is_known(self, request: web.Request) -> bool:
        user = request.headers.get("X-ClickHouse-User") or request.query.get("user") or ""
        password = request.headers.get("X-ClickHouse-Key") or request.query.get("password") or ""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(token).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return False
        return hmac.compare_digest(f"{user}:{password}".encode(), f"{self._user}:{self._password}".encode())


async def _query_of(request: web.Request) -> Query:
    """The statement may stand in the URL, in the body, or begin in the URL and go on in the body. Parameters too
    long for a URL come as form fields, the query among them."""
    fields = dict(request.query)
    if request.content_type == "multipart/form-data":
        fields |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        body = b""
    else:
        body = await _body(request)
    statement = fields.get("query", "").encode()
    settings = {
        name: value for name, value in fields.items() if name not in NOT_SETTINGS and not name.startswith("param_")
    }
    for name in settings:
        if not name.isidentifier():
            raise QueryFailed(UNKNOWN_SETTING, f"Unknown setting {name!r}")
    return Query(
        text=statement + b"\n" + body if statement and body else statement or body,
        database=fields.get("database")
        or request.headers.get("X-ClickHouse-Database")
        or request.match_info.get("database", ""),
        format=request.headers.get("X-ClickHouse-Format") or fields.get("default_format") or "TabSeparated",
        settings=settings,
        parameters={name[6:]: value for name, value in fields.items() if name.startswith("param_")},
    )


async def _body(request: web.Request) -> bytes:
    """The body, unpacked."""
    encoding = request.headers.get("Content-Encoding", "")
    if encoding not in UNPACKED_BY_AIOHTTP and encoding != "lz4":
        raise QueryFailed(UNKNOWN_COMPRESSION_METHOD, f"Unknown compression {encoding!r}: use gzip, lz4, zstd or none")
    try:
        body = await request.read()
        if encoding == "lz4":
            body = lz4.frame.decompress(body)
    except (web.RequestPayloadError, RuntimeError) as error:
        raise QueryFailed(CANNOT_DECOMPRESS, f"The body is not {encoding}: {error}") from error
    return body


def _failure(code: int, text: str, status: int) -> web.Response:
    if not text.startswith("Code:"):
        text = f"Code: {code}. DB::Exception: {text}"
    return web.Response(status=status, text=text + "\n", headers={"X-ClickHouse-Exception-Code": str(code)})


def run(path: Path, port: int, user: str, password: str, host: str = "127.0.0.1") -> None:
    """Serve until SIGTERM."""
    app = Server(Engine(path), user, password).app()
    web.run_app(app, host=host, port=port, access_log=None, print=None, shutdown_timeout=SHUTDOWN_S)
