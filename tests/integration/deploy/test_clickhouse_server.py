"""The local stack's ClickHouse, used as clients use a server."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import aiohttp
import clickhouse_connect
import psutil
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from deploy.local.layout import Memory

PASSWORD = "secret"
BASIC = aiohttp.encode_basic_auth("billing", PASSWORD)
PATIENCE_S = 60
COLUMNS = (
    "id UInt64, text String, amount Decimal(18, 2), at DateTime64(3, 'UTC'), n Nullable(Int32), tags Array(String)"
)
ROWS = [
    (1, "tab\t, quote ', zero \0, ёлка", Decimal("1.10"), datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC), None, []),
    (2, "", Decimal("-0.01"), datetime(1999, 12, 31, tzinfo=UTC), -5, ["a", "b'"]),
]


@dataclass
class Server:
    """A server process on a folder of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path, port: int) -> "Server":
        environment = {
            **os.environ,
            "TZ": "UTC",
            "BILLING_STATE_DIR": str(folder),
            "BILLING_LOCAL_CLICKHOUSE_PORT": str(port),
            "BILLING_LOCAL_CLICKHOUSE_PASSWORD": PASSWORD,
        }
        process = subprocess.Popen([sys.executable, "-m", "cli.main", "run", "clickhouse"], env=environment)
        deadline = time.monotonic() + PATIENCE_S
        while not any(c.status == psutil.CONN_LISTEN for c in psutil.Process(process.pid).net_connections()):
            assert process.poll() is None, "the server left"
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.05)
        return cls(folder, port, process)

    def client(self, **options: object) -> Client:
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username="billing", password=PASSWORD, **options
        )

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server.start(tmp_path_factory.mktemp("clickhouse"), Memory().port("clickhouse"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def table(client: Client) -> Iterator[str]:
    client.command(
        f"CREATE TABLE items ({COLUMNS}) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 9"
    )
    yield "items"
    client.command("DROP TABLE items")


@pytest.fixture
async def http(server: Server):
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", headers={"Authorization": BASIC}) as session:
        yield session


@pytest.mark.parametrize("compress", [False, "gzip", "lz4", "zstd"])
def test_rows_come_back_as_they_went_in(server, table, compress):
    with server.client(compress=compress) as client:
        assert client.insert(table, ROWS).written_rows == len(ROWS)
        found = client.query(f"SELECT * FROM {table} ORDER BY id").result_rows
    assert [(*row[:3], row[3].replace(tzinfo=UTC), *row[4:]) for row in found] == ROWS


async def test_the_async_client_works_with_its_defaults(server, table):
    client = await clickhouse_connect.get_async_client(
        host="127.0.0.1", port=server.port, username="billing", password=PASSWORD
    )
    await client.insert(table, ROWS)
    found = await client.query(
        f"SELECT id FROM {table} WHERE text IN {{texts:Array(String)}}", parameters={"texts": [ROWS[0][1], "'"]}
    )
    assert found.result_rows == [(1,)]
    await client.close()


def test_an_insert_repeated_with_its_token_is_taken_once(client, table):
    for _ in range(2):
        client.insert(table, ROWS, settings={"insert_deduplication_token": "batch-1"})
    assert client.command(f"SELECT count() FROM {table}") == len(ROWS)


def test_settings_and_database_of_one_query_do_not_reach_the_next(server, client):
    before = client.command("SELECT getSetting('max_threads')")
    with server.client(database="system") as other:
        assert other.command("SELECT currentDatabase()") == "system"
        assert other.query("SELECT getSetting('max_threads')", settings={"max_threads": 7}).result_rows == [(7,)]
    assert client.command("SELECT getSetting('max_threads')") == before
    assert client.command("SELECT currentDatabase()") == "billing"


def test_settings_of_a_failed_query_do_not_reach_the_next(client):
    with pytest.raises(DatabaseError):
        client.query("SELECT * FROM nowhere", settings={"max_threads": 7})
    assert client.query("SELECT getSetting('max_threads') = 7").result_rows == [(0,)]


def test_an_error_carries_the_code_of_clickhouse(client):
    with pytest.raises(DatabaseError, match="code: 60"):
        client.query("SELECT * FROM nowhere")


@pytest.mark.parametrize(
    ("params", "body", "status", "code"),
    [
        ({}, b"SELECT * FROM nowhere", 404, "60"),
        ({}, b"SELEC 1", 400, "62"),
        ({}, b"SELECT '\xff'", 400, "62"),
        ({}, b"INSERT INTO t\xff FORMAT CSV\n1", 400, "62"),
        ({"no_such_setting": "1"}, b"SELECT 1", 400, "115"),
        ({"max-threads;": "1"}, b"SELECT 1", 400, "115"),
        ({"database": "a`; SELECT 1"}, b"SELECT 1", 404, "81"),
    ],
)
async def test_a_refused_query_is_answered_with_status_and_code(http, params, body, status, code):
    async with http.post("/", params=params, data=body) as answer:
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (status, code)
        assert (await answer.text()).startswith(f"Code: {code}. DB::Exception:")


@pytest.mark.parametrize(
    ("encoding", "body"), [("br", b"SELECT 1"), ("gzip", b"not gzip"), ("zstd", b"no"), ("lz4", b"no")]
)
async def test_a_body_it_cannot_unpack_is_refused(http, encoding, body):
    async with http.post("/", data=body, headers={"Content-Encoding": encoding}) as answer:
        assert answer.status == 400


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"headers": {"X-ClickHouse-User": "billing", "X-ClickHouse-Key": "wrong"}},
        {"headers": {"Authorization": "Basic !"}},
        {"params": {"user": "default"}},
    ],
)
async def test_nobody_reads_without_the_password(server, credentials):
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session,
        session.post("/", data=b"SELECT 1", **credentials) as answer,
    ):
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")


@pytest.mark.parametrize(
    "credentials",
    [
        {"headers": {"X-ClickHouse-User": "billing", "X-ClickHouse-Key": PASSWORD}},
        {"params": {"user": "billing", "password": PASSWORD}},
        {"headers": {"Authorization": BASIC}},
    ],
)
async def test_credentials_may_come_in_any_of_the_usual_ways(server, credentials):
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session,
        session.post("/", data=b"SELECT 1", **credentials) as answer,
    ):
        assert await answer.text() == "1\n"


HERE = "/etc/passwd"


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT * FROM file('{HERE}', 'LineAsString')",
        "SELECT * FROM url('{url}', 'LineAsString')",
        "SELECT * FROM s3('{url}/bucket/key', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1:9000', system.one)",
        "SELECT * FROM postgresql('127.0.0.1:5432', 'billing', 'payments', 'billing', 'x')",
        f"SELECT * FROM icebergLocal('{HERE}')",
        f"SELECT * FROM sqlite('{HERE}', 't')",
        "SELECT * FROM filesystem('/etc')",
        f"SELECT file('{HERE}')",
        f"SELECT `file`('{HERE}')",
        f"SELECT `fi\\x6ce`('{HERE}')",
        f"SELECT `fi\\Nle`('{HERE}')",
        f"SELECT `\\u0066ile`('{HERE}')",
        f"SELECT 1, $$ ' $$, file('{HERE}'), $$ ' $$",
        f"WITH f AS (p) -> file(p) SELECT f('{HERE}')",
        f"DESCRIBE TABLE file('{HERE}', 'LineAsString')",
        f"CREATE TABLE stolen (line String) ENGINE = File(LineAsString, '{HERE}')",
        "CREATE TABLE stolen (line String) ENGINE = URL('{url}', LineAsString)",
        "CREATE TABLE stolen (line String) ENGINE = MergeTree ORDER BY line SETTINGS disk = disk(type = web, endpoint = '{url}/')",
        "CREATE DATABASE stolen ENGINE = Filesystem('/etc')",
        "CREATE DICTIONARY stolen (a String) PRIMARY KEY a SOURCE(HTTP(url '{url}' format 'TSV')) LAYOUT(FLAT()) LIFETIME(0)",
        "INSERT INTO items (text) SELECT line FROM url('{url}', 'LineAsString', 'line String')",
        f"INSERT INTO items (text) VALUES (file('{HERE}'))",
        f"INSERT INTO items (text) FROM INFILE '{HERE}' FORMAT LineAsString",
        "INSERT INTO FUNCTION file('{folder}/out', 'CSV', 'a String') SELECT 'x'",
        "SELECT 1 INTO OUTFILE '{folder}/out'",
        "BACKUP TABLE items TO File('{folder}/out')",
        "CREATE USER intruder",
    ],
)
async def test_no_statement_reaches_files_or_other_hosts(http, client, table, tmp_path, statement):
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(statement)
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}"
    text = statement.replace("{url}", url).replace("{folder}", str(tmp_path))
    async with http.post("/", data=text.encode()) as refused:
        assert refused.status in (400, 404), "refused"
        said = await refused.text()
    other.close()
    assert "root:" not in said
    assert asked == []
    assert list(tmp_path.iterdir()) == []
    assert client.query(f"SELECT count() FROM {table}").result_rows == [(0,)]


async def test_rows_may_hold_the_words_that_statements_must_not(http, client, table):
    async with http.post("/", data=f"INSERT INTO {table} (id, text) FORMAT CSV\n1,file disk infile\n".encode()) as done:
        assert done.status == 200, await done.text()
    found = client.query(
        f"SELECT id FROM {table} WHERE text = {{text:String}}", parameters={"text": "file disk infile"}
    )
    assert found.result_rows == [(1,)]


@pytest.mark.parametrize("path", ["/", "/system"])
async def test_a_statement_may_stand_in_the_address(http, path):
    async with http.get(path, params={"query": "SELECT currentDatabase() FORMAT JSONEachRow"}) as answer:
        assert await answer.json(content_type=None) == {"currentDatabase()": path[1:] or "billing"}
        assert answer.headers["X-ClickHouse-Format"] == "JSONEachRow"
        assert answer.headers["X-ClickHouse-Timezone"] == "UTC"


async def test_rows_may_follow_the_statement_in_the_body(http, table):
    statement = f"INSERT INTO {table} (id, text)\nSETTINGS async_insert = 0\nFORMAT JSONEachRow\n"
    async with http.post("/", data=(statement + '{"id": 5, "text": "FORMAT CSV"}\n').encode()) as answer:
        assert answer.status == 200, await answer.text()
    async with http.post(
        "/", params={"query": f"INSERT INTO {table} (id, text) FORMAT CSV"}, data=b'6,"x"\n'
    ) as answer:
        assert answer.status == 200, await answer.text()
    async with http.post("/", data=f"SELECT id, text FROM {table} ORDER BY id".encode()) as answer:
        assert await answer.text() == "5\tFORMAT CSV\n6\tx\n"


@pytest.mark.parametrize(
    "text", ["it's", "two\nlines", "a FORMAT CSV", "x') FORMAT JSON\n{}", "back\\slash", "{id:UInt64}"]
)
async def test_values_in_the_body_keep_their_text(http, client, table, text):
    literal = text.replace("\\", "\\\\").replace("'", "\\'")
    async with http.post("/", data=f"INSERT INTO {table} (id, text) VALUES (1, '{literal}')".encode()) as answer:
        assert answer.status == 200, await answer.text()
    found = client.query(f"SELECT text FROM {table} WHERE text = {{text:String}}", parameters={"text": text})
    assert found.result_rows == [(text,)]


async def test_two_clients_at_once_get_each_their_own(server, table):
    async def write_and_read(owner: int) -> list[tuple[int]]:
        client = await clickhouse_connect.get_async_client(
            host="127.0.0.1", port=server.port, username="billing", password=PASSWORD
        )
        for number in range(10):
            row = (owner * 100 + number, str(owner), Decimal(0), datetime(2026, 1, 1, tzinfo=UTC), None, [])
            await client.insert(table, [row])
        found = await client.query(
            f"SELECT id FROM {table} WHERE text = {{owner:String}} ORDER BY id", parameters={"owner": str(owner)}
        )
        await client.close()
        return found.result_rows

    found = await asyncio.gather(write_and_read(1), write_and_read(2))
    assert found == [[(owner * 100 + number,) for number in range(10)] for owner in (1, 2)]


async def test_long_parameters_may_come_as_form_fields(http):
    with aiohttp.MultipartWriter("form-data") as writer:
        for name, value in (("query", "SELECT length({ids:Array(String)})"), ("param_ids", "['a','b']")):
            part = writer.append(value)
            part.set_content_disposition("form-data", name=name)
        async with http.post("/", data=writer) as answer:
            assert await answer.text() == "2\n"


def test_data_survive_sigkill_and_restart(tmp_path):
    port = Memory().port("clickhouse")
    server = Server.start(tmp_path, port)
    with server.client() as client:
        client.command("CREATE TABLE kept (id UInt64) ENGINE = MergeTree ORDER BY id")
        client.insert("kept", [[7]])
    server.process.kill()
    server.process.wait()
    server = Server.start(tmp_path, port)
    with server.client() as client:
        assert client.query("SELECT id FROM kept").result_rows == [(7,)]
    server.stop()


def test_the_statements_for_analysts_are_ones_that_clickhouse_understands(client: Client):
    """Access is not managed by the embedded engine, but its parser and its settings are those of the server."""
    text = (Path(__file__).parents[3] / "deploy/clickhouse/analysts.sql").read_text("utf-8")
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    statements = [statement.strip() for statement in bare.split(";") if statement.strip()]
    assert [statement.split()[1] for statement in statements] == ["SETTINGS", "ROLE", "SELECT", "QUOTA"]
    for statement in statements:
        client.query("SELECT formatQuery({statement:String})", parameters={"statement": statement})
    named = {line.split("=")[0].strip() for line in statements[0].splitlines()[1:]}
    known = {row[0] for row in client.query("SELECT name FROM system.settings").result_rows}
    # `readonly` and `priority` among them: a name that is not there would be refused by the server.
    assert named <= known, named - known
    with pytest.raises(DatabaseError):
        client.query("SELECT formatQuery('CREATE QUOTA q FOR EVER')")
