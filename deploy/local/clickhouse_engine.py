"""ClickHouse's engine (chDB) on one folder, used from one thread: it runs one query at a time."""

import asyncio
import re
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.local.clickhouse_access import GRANTS, refused_word
from deploy.local.clickhouse_insert import parse_insert

#: The database of a query that names none.
DEFAULT_DATABASE: Final = "billing"
_CODE: Final = re.compile(r"Code: (\d+)")
SYNTAX_ERROR: Final = 62
ACCESS_DENIED: Final = 497
UNKNOWN_EXCEPTION: Final = 1002


class QueryFailed(Exception):
    """The engine refused a query; ``code`` is ClickHouse's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Query:
    """A statement with everything that belongs to it. ``text`` is bytes: an INSERT may bring rows of any format."""

    text: bytes
    database: str
    format: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What came of it."""

    body: bytes
    read_rows: int
    written_rows: int


class Engine:
    """One chDB session."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chdb")
        self._session: Any = None

    async def open(self) -> str:
        """Load the data; the engine's time zone."""
        time_zone: str = await self._in_thread(self._open)
        return time_zone

    async def close(self) -> None:
        """Unload."""
        await self._in_thread(self._session.close)
        self._thread.shutdown()

    async def run(self, query: Query) -> Answer:
        """Raises :class:`QueryFailed`."""
        answer: Answer = await self._in_thread(self._run, query)
        return answer

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _open(self) -> str:
        from chdb.session import Session

        self._session = Session(f"{self._path}?config-file={GRANTS}&users_config={GRANTS}")  # type: ignore[no-untyped-call]
        self._ask(f"CREATE DATABASE IF NOT EXISTS {DEFAULT_DATABASE}")
        time_zone: bytes = self._ask("SELECT timezone()").bytes()
        return time_zone.decode().strip()

    def _run(self, query: Query) -> Answer:
        """All requests share the engine's one session: what a request sets must not reach the next."""
        self._ask(f"USE {_quoted(query.database or DEFAULT_DATABASE)}")
        applied = []
        try:
            for name, value in query.settings.items():
                self._ask(f"SET {name} = {_literal(value)}")
                applied.append(name)
            return self._execute(query)
        except UnicodeDecodeError as error:  # the engine's interface takes text, where a server takes bytes
            raise QueryFailed(SYNTAX_ERROR, f"Syntax error: the statement is not UTF-8: {error.reason}") from error
        finally:
            if applied:
                self._ask("SET " + ", ".join(f"{name} = DEFAULT" for name in applied))

    def _execute(self, query: Query) -> Answer:
        insert = parse_insert(query.text)
        word = refused_word(query.text if insert is None else f"{insert.head} {insert.settings}".encode())
        if word is not None:
            raise QueryFailed(
                ACCESS_DENIED, f"Not enough privileges: a statement must not contain the word {word!r} here"
            )
        if insert is None:
            result = self._ask(query.text.decode(), query.format, dict(query.parameters))
            return Answer(result.bytes(), int(result.rows_read()), 0)
        # Rows that come as bytes go through a file: the engine reads every format from one.
        with tempfile.NamedTemporaryFile(prefix="insert-", dir=self._path.parent) as file:
            file.write(insert.rows)
            file.flush()
            result = self._ask(insert.from_file(file.name), query.format, dict(query.parameters))
        return Answer(b"", int(result.rows_read()), int(result.rows_read()))

    def _ask(self, statement: str, format: str = "TabSeparated", parameters: Mapping[str, str] | None = None) -> Any:
        try:
            return self._session.query(statement, format, params=parameters or {})
        except Exception as error:  # chDB raises RuntimeError and others alike
            text = str(error)
            code = _CODE.search(text)
            raise QueryFailed(int(code[1]) if code else UNKNOWN_EXCEPTION, text) from error


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(value: str) -> str:
    if re.fullmatch(r"-?\d+(\.\d+)?", value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
