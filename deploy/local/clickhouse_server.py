"""ClickHouse's engine (chDB) behind ClickHouse's HTTP interface: one small process, used exactly like a server.

Speaks what clickhouse-connect, curl and other HTTP clients use: the query in the URL or the body, settings and
``param_*`` as URL parameters, any format, bytes untouched, errors with ClickHouse's code and text. One query runs at
a time: an engine path belongs to one process, and the local stack needs correctness rather than concurrency.
"""

import asyncio
import base64
import binascii
import hmac
import re
import tempfile
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import orjson
import structlog
from aiohttp import web

log = structlog.get_logger(__name__)

#: The largest request body, bytes: a batch of rows, not a data set.
BODY_LIMIT_BYTES: Final = 256 * 1024 * 1024
#: URL parameters that are not settings of the query.
NOT_SETTINGS: Final = frozenset(
    {
        "query", "database", "default_format", "user", "password", "session_id", "session_timeout", "session_check",
        "compress", "decompress", "query_id", "quota_key", "role", "enable_http_compression",
        "http_zlib_compression_level", "send_progress_in_http_headers", "wait_end_of_query", "buffer_size",
        "http_headers_progress_interval_ms", "client_protocol_version",
    }
)  # fmt: skip
_INSERT = re.compile(rb"\s*INSERT\s+INTO\s", re.IGNORECASE)
_INSERT_FORMAT = re.compile(r"\s+FORMAT\s+(\w+)\s*$", re.IGNORECASE)
_FORMAT = re.compile(r"\s+FORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_SELECT = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
_CODE = re.compile(r"Code: (\d+)")
_CONTENT_TYPES: Final = {"JSON": "application/json; charset=UTF-8", "Native": "application/octet-stream"}
AUTHENTICATION_FAILED: Final = 516


class QueryFailed(Exception):
    """The engine refused a query; ``code`` is ClickHouse's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Engine:
    """One chDB session on one path, used from one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chdb")
        self._session: Any = None
        self._database = ""

    async def open(self) -> None:
        """Load the data."""
        await self._in_thread(self._open)

    async def close(self) -> None:
        """Flush and unload."""
        await self._in_thread(self._session.close)
        self._thread.shutdown()

    async def run(self, query: str, database: str, format: str, parameters: Mapping[str, str]) -> tuple[bytes, int]:
        """The answer's bytes and the number of rows read."""
        answer: tuple[bytes, int] = await self._in_thread(self._run, query, database, format, dict(parameters))
        return answer

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _open(self) -> None:
        from chdb.session import Session

        self._session = Session(str(self._path))  # type: ignore[no-untyped-call]

    def _run(self, query: str, database: str, format: str, parameters: dict[str, str]) -> tuple[bytes, int]:
        try:
            if database and database != self._database:
                self._session.query(f"USE `{database}`")
                self._database = database
            result = self._session.query(query, format, params=parameters)
        except Exception as error:
            text = str(error)
            code = _CODE.search(text)
            raise QueryFailed(int(code[1]) if code else 1000, text) from error
        return result.bytes(), int(result.rows_read())


class Server:
    """The HTTP side."""

    def __init__(self, engine: Engine, user: str, password: str) -> None:
        self._engine = engine
        self._user = user
        self._password = password

    def app(self) -> web.Application:
        """The application; opens the engine at its start and closes it at its end."""
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        app.router.add_get("/ping", self._ping)
        app.router.add_get("/", self._query)
        app.router.add_post("/", self._query)

        async def engine(_: web.Application) -> Any:
            await self._engine.open()
            yield
            await self._engine.close()

        app.cleanup_ctx.append(engine)
        return app

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _query(self, request: web.Request) -> web.Response:
        started = time.perf_counter()
        if not self._is_known(request):
            return _failure(AUTHENTICATION_FAILED, "Code: 516. DB::Exception: Authentication failed", 403)
        if request.method == "GET" and "query" not in request.query:
            return web.Response(text="Ok.\n")
        fields = dict(request.query)
        if request.content_type == "multipart/form-data":
            # Parameters too long for a URL come as form fields, the query among them.
            fields |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
            body: bytes | None = b""
        else:
            body = _unpacked(await request.read(), request.headers.get("Content-Encoding", ""))
        if body is None:
            return _failure(1000, "this Content-Encoding is not supported here: use gzip, lz4, zstd or none", 415)
        query, data = _split(fields.get("query", ""), body)
        settings = {
            name: value for name, value in fields.items() if name not in NOT_SETTINGS and not name.startswith("param_")
        }
        parameters = {name[6:]: value for name, value in fields.items() if name.startswith("param_")}
        format = request.headers.get("X-ClickHouse-Format") or fields.get("default_format") or "TabSeparated"
        if (match := _FORMAT.search(query)) is not None and not _INSERT.match(query.encode()):
            format = match[1]
        database: str = fields.get("database") or request.headers.get("X-ClickHouse-Database") or ""
        try:
            if data is not None:
                answer, rows = await self._insert(query, data, database, settings)
            else:
                answer, rows = await self._engine.run(_with_settings(query, settings), database, format, parameters)
        except QueryFailed as failed:
            return _failure(failed.code, str(failed), 404 if failed.code in (60, 81) else 400)
        summary = {
            "read_rows": str(rows),
            "read_bytes": "0",
            "written_rows": "0",
            "written_bytes": str(len(data or b"")),
            "elapsed_ns": str(round((time.perf_counter() - started) * 1e9)),
        }
        headers = {
            "X-ClickHouse-Summary": orjson.dumps(summary).decode(),
            "X-ClickHouse-Format": format,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Server-Display-Name": "billing-local",
            "Content-Type": _CONTENT_TYPES.get(format, "text/plain; charset=UTF-8"),
        }
        return web.Response(body=answer, headers=headers)

    async def _insert(self, query: str, data: bytes, database: str, settings: Mapping[str, str]) -> tuple[bytes, int]:
        """Rows that come as bytes go through a file: the engine reads every format from one."""
        match = _INSERT_FORMAT.search(query)
        assert match is not None
        with tempfile.NamedTemporaryFile(prefix="insert-", suffix=".data") as file:
            file.write(data)
            file.flush()
            clause = f" SETTINGS {_settings(settings)}" if settings else ""
            statement = (
                f"{query[: match.start()]} FROM INFILE '{file.name}' COMPRESSION 'none'{clause} FORMAT {match[1]}"
            )
            return await self._engine.run(statement, database, "TabSeparated", {})

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


def _unpacked(body: bytes, encoding: str) -> bytes | None:
    match encoding:
        case "" | "identity":
            return body
        case "gzip" | "deflate":
            return zlib.decompress(body, wbits=47)
        case "lz4":
            import lz4.frame

            unpacked: bytes = lz4.frame.decompress(body)
            return unpacked
        case "zstd":
            from backports import zstd

            return bytes(zstd.decompress(body))
        case _:
            return None


def _split(query: str, body: bytes) -> tuple[str, bytes | None]:
    """The statement, and the rows if it is an insert that brings them. The statement may stand in the URL, at the
    start of the body, or be spread over both."""
    if not _INSERT.match(query.encode() or body):
        return (query + "\n" + body.decode()).strip(), None
    if query:
        if _INSERT_FORMAT.search(query):
            return query.strip(), body
        return (query + "\n" + body.decode()).strip(), None
    head, found, rest = body.partition(b"\n")
    statement = head.decode(errors="replace")
    if found and _INSERT_FORMAT.search(statement):
        return statement.strip(), rest
    return body.decode().strip(), None


def _with_settings(query: str, settings: Mapping[str, str]) -> str:
    """The statement with its settings, where the engine takes them in the statement."""
    if not settings or not _SELECT.match(query) or re.search(r"\bSETTINGS\b", query, re.IGNORECASE):
        return query
    match = _FORMAT.search(query)
    head, tail = (query[: match.start()], query[match.start() :]) if match else (query, "")
    return f"{head} SETTINGS {_settings(settings)}{tail}"


def _settings(settings: Mapping[str, str]) -> str:
    def literal(value: str) -> str:
        if re.fullmatch(r"-?\d+(\.\d+)?", value):
            return value
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"

    return ", ".join(f"{name} = {literal(value)}" for name, value in settings.items() if name.isidentifier())


def _failure(code: int, text: str, status: int) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers={"X-ClickHouse-Exception-Code": str(code)})


def run(path: Path, port: int, user: str, password: str) -> None:
    """Serve until SIGTERM."""
    app = Server(Engine(path), user, password).app()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, shutdown_timeout=10)
