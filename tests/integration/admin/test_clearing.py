"""``/v1/clearing``."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from billing_client import BillingClient, Forbidden, InvalidRequest, Repeats
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.clearing.discrepancies import Kind
from billing.messages import MESSAGE_TYPES, RecordMovement, decode_envelope
from billing.messages.topics import INBOX
from reconciliation.clearing.job import job_name
from runtime.kafka.clients import new_consumer
from runtime.settings import Settings
from storage import job_runs
from storage.clearing.discrepancies import Finding, discrepancy_id, record
from storage.processes.leases import WORKER, Lease
from tests.support.ledger import DAY as BOOKS_DAY
from tests.support.ledger import books_begin, post
from tests.unit.admin.conftest import World

#: A business day that is over at every provider.
DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
REASON = {"reason": "the provider's letter of today"}
PATH = "/v1/clearing/discrepancies"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: Any


class Api:
    """Sends requests and holds each answer against the OpenAPI document."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._document: Any = None

    async def send(
        self, method: str, path: str, body: Any = None, *, client: str | None = "finance", **headers: str
    ) -> Answer:
        auth = {} if client is None else {"Authorization": f"Bearer {client}-key"}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._world.http.request(
            method, self._world.url + path, json=body, headers=auth | names, allow_redirects=False
        ) as answer:
            content = await answer.read()
            is_json = "json" in answer.content_type
            found = Answer(answer.status, answer.headers, await answer.json(content_type=None) if is_json else content)
        await self._is_documented(method, path, found)
        return found

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.send("GET", path, **headers)

    async def decide(self, id: UUID | str, what: str, seen: int | None = 1, **options: Any) -> Answer:
        key, client, extra = options.pop("key", uuid4().hex), options.pop("client", "finance"), options
        headers = {} if seen is None else {"If_Match": f'"{seen}"'}
        headers |= {} if key is None else {"Idempotency_Key": key}
        return await self.send("POST", f"{PATH}/{id}/{what}", {**REASON, **extra}, client=client, **headers)

    async def _is_documented(self, method: str, path: str, answer: Answer) -> None:
        if self._document is None:
            async with self._world.http.get(f"{self._world.url}/openapi.json") as response:
                self._document = await response.json()
        plain = path.partition("?")[0]
        template = next(
            (t for t in self._document["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", t), plain)), None
        )
        assert template is not None, path
        documented = self._document["paths"][template][method.lower()]["responses"]
        assert str(answer.status) in documented, (path, answer)
        if answer.status >= 400:
            examples = documented[str(answer.status)]["content"]["application/problem+json"]["examples"]
            code = answer.body["type"].removeprefix("/problems/")
            assert code in examples, (path, answer.body)
            async with self._world.http.get(f"{self._world.url}/problems/{code}") as described:
                assert (await described.json())["resolution"]


@pytest.fixture
def api(world: World) -> Api:
    return Api(world)


async def found(
    database: AsyncEngine, *, provider: str = "stripe", day: date = DAY, at: datetime = NOW, **fields: Any
) -> UUID:
    """The id of a discrepancy that was just found."""
    values: dict[str, Any] = {"kind": Kind.UNKNOWN_PAYMENT, "currency": "RUB", "theirs": 50_000}
    finding = Finding(subject=f"line:{day}:{uuid4()}#1", **(values | fields))
    async with database.begin() as connection:
        await record(connection, provider, day, [finding], at, actor="system:clearing")
    return discrepancy_id(provider, finding.subject)


async def rows(database: AsyncEngine, statement: str) -> list[Any]:
    async with database.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.body["type"].removeprefix("/problems/")


@pytest.mark.parametrize(
    ("method", "path", "may"),
    [
        ("GET", "/v1/clearing/days", {"auditor", "finance", "books"}),
        ("GET", f"/v1/clearing/days/{DAY}", {"auditor", "finance", "books"}),
        ("GET", "/v1/clearing/stuck", {"auditor", "finance", "books"}),
        ("GET", f"/v1/clearing/trial-balance/{DAY}", {"auditor", "finance", "books"}),
        ("GET", PATH, {"auditor", "finance", "books"}),
        ("GET", f"{PATH}/{UUID(int=1)}", {"auditor", "finance", "books"}),
        ("POST", f"{PATH}/{UUID(int=1)}/claim", {"finance"}),
        ("POST", f"{PATH}/{UUID(int=1)}/resolve", {"finance"}),
        ("POST", f"{PATH}/{UUID(int=1)}/reopen", {"finance"}),
        ("POST", "/v1/clearing/runs", {"finance"}),
        ("POST", f"/v1/clearing/days/{DAY}/close", {"books"}),
    ],
)
async def test_each_endpoint_asks_for_its_scope(api: Api, method: str, path: str, may: set[str]) -> None:
    for client in ("auditor", "finance", "books", "analyst"):
        answer = await api.send(method, path, client=client)
        assert (answer.status == 403) == (client not in may), (client, answer)
        if answer.status == 403:
            assert answer.body["scope"].startswith("clearing:")
    assert code(await api.send(method, path, client=None)) == (401, "unauthorized")


async def test_days_are_listed_and_one_is_read(api: Api, database: AsyncEngine) -> None:
    await found(database)
    async with database.begin() as connection:
        for day in (DAY, DAY + timedelta(days=1)):
            await job_runs.open_runs(connection, job_name("stripe"), [day])
        await job_runs.finish_date(connection, job_name("stripe"), DAY, {"lines": 7, "movements": 6})
    listed = (await api.get("/v1/clearing/days")).body["data"]
    assert [(day["date"], day["state"]) for day in listed] == [("2026-11-21", "open"), ("2026-11-20", "done")]
    assert [day["date"] for day in (await api.get("/v1/clearing/days?state=open")).body["data"]] == ["2026-11-21"]
    assert [day["date"] for day in (await api.get(f"/v1/clearing/days?to={DAY}")).body["data"]] == ["2026-11-20"]
    assert (await api.get("/v1/clearing/days?from=2026-11-22")).body["data"] == []
    (day,) = (await api.get(f"/v1/clearing/days/{DAY}")).body["providers"]
    assert (day["lines"], day["movements"], day["discrepancies"]) == (7, 6, {"unknown_payment": {"PERSON": 1}})
    assert code(await api.get("/v1/clearing/days?form=2026-11-22")) == (422, "invalid-request")
    assert code(await api.get("/v1/clearing/days/soon")) == (404, "not-found")


async def test_discrepancies_are_listed_page_by_page_the_most_urgent_first(api: Api, database: AsyncEngine) -> None:
    slow = await found(database, kind=Kind.UNCLASSIFIED_LINE)
    calm = [await found(database, kind=Kind.LATE, theirs=None, ours=100, at=NOW + timedelta(hours=n)) for n in (0, 1)]
    urgent = await found(database)
    path, seen = f"{PATH}?limit=1", []
    while path:
        page = await api.get(path)
        seen += [UUID(one["id"]) for one in page.body["data"]]
        assert page.body["has_more"] == (page.body["next_cursor"] is not None) == ("Link" in page.headers)
        path = page.headers["Link"].partition(">")[0].removeprefix("<") if "Link" in page.headers else ""
    assert seen == [urgent, slow, *calm]


async def test_the_list_can_be_filtered(api: Api, database: AsyncEngine) -> None:
    payment = uuid4()
    one = await found(database, payment_id=payment)
    await found(database, provider="tbank", day=DAY - timedelta(days=1), kind=Kind.UNCLASSIFIED_LINE)
    await api.decide(one, "claim")
    for query in ("provider=stripe", f"date={DAY}", "kind=unknown_payment", "severity=critical", "owner=client:finance",
                  f"payment_id={payment}"):  # fmt: skip
        assert [UUID(row["id"]) for row in (await api.get(f"{PATH}?{query}")).body["data"]] == [one], query
    await api.decide(one, "resolve", 2, resolution="written_off")
    assert [row["kind"] for row in (await api.get(PATH)).body["data"]] == ["unclassified_line"]
    assert [UUID(row["id"]) for row in (await api.get(f"{PATH}?state=CLOSED")).body["data"]] == [one]


@pytest.mark.parametrize(
    "query", ["kind=odd", "limit=0", "limit=101", "cursor=abc", "colour=red", "state=CLOSED&state=OPEN"]
)
async def test_a_query_that_cannot_be_is_refused(api: Api, query: str) -> None:
    assert code(await api.get(f"{PATH}?{query}")) == (422, "invalid-request")


async def test_an_unchanged_list_and_an_unchanged_discrepancy_are_not_sent_again(
    api: Api, database: AsyncEngine
) -> None:
    id = await found(database)
    for path in (PATH, f"{PATH}/{id}"):
        first = await api.get(path)
        assert (await api.get(path, If_None_Match=first.headers["ETag"])).status == 304
    await api.decide(id, "claim")
    again = await api.get(f"{PATH}/{id}", If_None_Match='"1"')
    assert (again.status, again.headers["ETag"], again.body["discrepancy"]["version"]) == (200, '"2"', 2)


async def test_a_discrepancy_that_is_not_there_is_a_404(api: Api) -> None:
    assert code(await api.get(f"{PATH}/{uuid4()}")) == (404, "discrepancy-not-found")
    assert code(await api.get(f"{PATH}/17")) == (404, "not-found")
    assert code(await api.decide(uuid4(), "claim")) == (404, "discrepancy-not-found")


async def test_the_client_of_the_key_is_who_decides(api: Api, database: AsyncEngine) -> None:
    id = await found(database)
    claimed = await api.decide(id, "claim")
    assert (claimed.status, claimed.headers["ETag"], claimed.body["owner"]) == (200, '"2"', "client:finance")
    resolved = await api.decide(id, "resolve", 2, client="desk", resolution="not_ours")
    assert (resolved.body["state"], resolved.body["confirm_by"] > str(DAY)) == ("RESOLVED", True)
    assert (await api.decide(id, "reopen", 3)).body["state"] == "PERSON"
    history = (await api.get(f"{PATH}/{id}")).body["history"]
    assert [(entry["event"], entry["actor"]) for entry in history] == [
        ("needs_person", "system:clearing"),
        ("claimed", "client:finance"),
        ("resolved", "client:desk"),
        ("reopened", "client:finance"),
    ]
    assert {entry["reason"] for entry in history[1:]} == {REASON["reason"]}
    assert await rows(database, "SELECT actor, action, outcome FROM operator_actions ORDER BY id") == [
        ("client:finance", "claim_discrepancy", "done"),
        ("client:desk", "resolve_discrepancy", "done"),
        ("client:finance", "reopen_discrepancy", "done"),
    ]


@pytest.mark.parametrize("field", ["by", "actor", "owner", "second"])
async def test_a_client_cannot_act_under_another_name(api: Api, database: AsyncEngine, field: str) -> None:
    id = await found(database, theirs=500_000)
    answer = await api.decide(id, "resolve", resolution="written_off", **{field: "ann"})
    assert code(answer) == (422, "invalid-request")
    assert answer.body["errors"][0]["pointer"] == f"/{field}"


async def test_a_decision_names_the_version_that_was_seen(api: Api, database: AsyncEngine) -> None:
    id = await found(database)
    assert code(await api.decide(id, "claim", None)) == (428, "version-required")
    for stale in ("2", "0"):
        assert code(await api.decide(id, "claim", stale)) == (412, "discrepancy-changed")
    assert (await api.decide(id, "claim")).status == 200
    assert code(await api.decide(id, "resolve", 1, resolution="not_ours")) == (412, "discrepancy-changed")
    assert await rows(database, f"SELECT version, state FROM discrepancies WHERE id = '{id}'") == [(2, "PERSON")]


async def test_a_repeat_changes_nothing_and_another_decision_under_its_key_is_refused(
    api: Api, database: AsyncEngine
) -> None:
    id = await found(database)
    first = await api.decide(id, "claim", key="k-1")
    again = await api.decide(id, "claim", key="k-1")
    assert (first.body, again.headers["Idempotent-Replayed"]) == (again.body, "true")
    assert "Idempotent-Replayed" not in first.headers
    for answer in (
        await api.decide(id, "claim", 2, key="k-1", reason="for another reason"),
        await api.decide(id, "reopen", 2, key="k-1"),
    ):
        assert code(answer) == (422, "idempotency-key-reused")
    other = await found(database)
    assert (await api.decide(other, "claim", key="k-1")).status == 200, "a key belongs to its discrepancy"
    assert (await api.decide(id, "claim", 2, key="k-1", client="desk")).body["owner"] == "client:desk"
    assert code(await api.decide(id, "claim", 3, key=None)) == (400, "invalid-idempotency-key")
    assert await rows(database, f"SELECT count(*) FROM discrepancy_events WHERE discrepancy_id = '{id}'") == [(3,)]


async def test_a_request_that_is_sent_twice_at_once_decides_once(api: Api, database: AsyncEngine) -> None:
    id = await found(database)
    answers = await asyncio.gather(*(api.decide(id, "claim", key="k-1") for _ in range(6)))
    assert {answer.status for answer in answers} == {200}
    assert sorted("Idempotent-Replayed" in answer.headers for answer in answers) == [False, *[True] * 5]
    assert await rows(database, f"SELECT version FROM discrepancies WHERE id = '{id}'") == [(2,)]


async def test_what_the_state_or_the_kind_does_not_allow_is_refused_with_the_reason(
    api: Api, database: AsyncEngine
) -> None:
    id = await found(database)
    line = {"kind": Kind.UNCLASSIFIED_LINE, "theirs": 100_001}
    for answer, reason in (
        (await api.decide(id, "reopen"), "PERSON cannot be reopened"),
        (await api.decide(id, "resolve", resolution="accepted"), "only written off"),
        (await api.decide(await found(database, theirs=100_001), "resolve", resolution="written_off"), "in the panel"),
        (await api.decide(await found(database, **line), "resolve", resolution="accepted"), "in the panel"),
    ):
        assert (code(answer), reason in answer.body["detail"]) == ((422, "decision-refused"), True), answer
    assert await rows(database, "SELECT DISTINCT version FROM discrepancies") == [(1,)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"reason": ""}, (422, "invalid-request")),
        ({"reason": "\u200b"}, (422, "invalid-request")),
        ({}, (422, "invalid-request")),
        ({"reason": "card 4111 1111 1111 1111"}, (422, "card-number")),
        ({"reason": "x" * 20_000}, (413, "body-too-large")),
    ],
)
async def test_a_body_that_cannot_be_is_refused(
    api: Api, database: AsyncEngine, body: Any, expected: tuple[int, str]
) -> None:
    id = await found(database)
    headers = {"If_Match": '"1"', "Idempotency_Key": "k"}
    assert code(await api.send("POST", f"{PATH}/{id}/claim", body, **headers)) == expected


async def test_a_movement_that_was_made_by_hand_is_told_to_its_payment(
    api: Api, database: AsyncEngine, stack: dict[str, Any]
) -> None:
    payment, line = uuid4(), uuid4().hex
    detail = {"kind": "refund", "line": line, "movement": "re_1"}
    id = await found(database, kind=Kind.MISSING_HERE, payment_id=payment, theirs=-700, detail=detail)
    refused = await api.decide(id, "resolve", resolution="recorded")
    assert (code(refused), "upgrade" in refused.body["detail"]) == ((422, "decision-refused"), True)
    async with database.begin() as connection:
        await Lease(WORKER, "worker", "here", 600.0, MESSAGE_TYPES.keys()).refresh(connection)
    async with new_consumer(Settings(kafka_url=stack["urls"]["kafka"]), INBOX.name) as consumer:
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)
        for _ in range(2):
            assert (await api.decide(id, "resolve", key="k", resolution="recorded")).body["state"] == "RESOLVED"
        told = []
        async with asyncio.timeout(30):
            async for message in consumer:
                if message.key == str(payment).encode():
                    told.append(decode_envelope(message.value).open())
                    break
        more = await consumer.getmany(timeout_ms=500)
    assert told == [RecordMovement(payment, "stripe", line, "REFUND", 700, "client:finance", REASON["reason"], "re_1")]
    assert not [m for batch in more.values() for m in batch if m.key == str(payment).encode()], (
        "the repeat tells nobody"
    )


async def test_without_kafka_nothing_is_decided(database: AsyncEngine, world: World, api: Api) -> None:
    async with database.begin() as connection:
        await Lease(WORKER, "worker", "here", 600.0, MESSAGE_TYPES.keys()).refresh(connection)
    detail = {"kind": "refund", "line": "l"}
    id = await found(database, kind=Kind.MISSING_HERE, payment_id=uuid4(), theirs=-700, detail=detail)
    world.settings.kafka_url = "127.0.0.1:1"
    assert code(await api.decide(id, "resolve", resolution="recorded")) == (503, "analytics-away")
    assert await rows(database, f"SELECT version FROM discrepancies WHERE id = '{id}'") == [(1,)]


async def test_a_run_that_is_asked_for_opens_its_day_again(api: Api, database: AsyncEngine) -> None:
    job, body = job_name("stripe"), {**REASON, "provider": "stripe", "date": str(DAY)}
    async with database.begin() as connection:
        await job_runs.open_runs(connection, job, [DAY])
        await job_runs.finish_date(connection, job, DAY, {})
    for wanted in (body, {**body, "provider": "tbank"}):
        asked = await api.send("POST", "/v1/clearing/runs", wanted)
        assert (asked.status, asked.headers["Location"], asked.body["state"]) == (
            202,
            f"/v1/clearing/days/{DAY}",
            "open",
        )
    assert await rows(database, "SELECT job, finished_at FROM job_runs ORDER BY job") == [
        ("clearing:stripe", None),
        ("clearing:tbank", None),
    ]
    assert await rows(database, "SELECT DISTINCT actor, action, outcome FROM operator_actions") == [
        ("client:finance", "request_run", "done")
    ]


async def test_a_run_that_cannot_be_is_refused(api: Api, database: AsyncEngine) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    for wanted in ({"provider": "paypal", "date": str(DAY)}, {"provider": "stripe", "date": str(tomorrow)}):
        assert code(await api.send("POST", "/v1/clearing/runs", {**REASON, **wanted})) == (422, "run-refused")
    assert await rows(database, "SELECT count(*) FROM job_runs") == [(0,)]


async def test_a_day_whose_statement_is_doubted_runs_again_once_the_client_believes_it(
    api: Api, database: AsyncEngine
) -> None:
    job, body = job_name("stripe"), {**REASON, "provider": "stripe", "date": str(DAY)}
    async with database.begin() as connection:
        await job_runs.open_runs(connection, job, [DAY])
        await job_runs.brake(connection, job, DAY, "half of it is missing")
    doubted = await api.send("POST", "/v1/clearing/runs", body)
    assert (code(doubted), "half of it" in doubted.body["detail"]) == ((409, "statement-doubted"), True)
    assert (await api.get(f"/v1/clearing/days/{DAY}")).body["providers"][0]["state"] == "suspect"
    assert (await api.send("POST", "/v1/clearing/runs", {**body, "believe": True})).body["state"] == "open"
    assert await rows(database, "SELECT released_by, release_reason FROM job_runs") == [
        ("client:finance", REASON["reason"])
    ]


async def test_a_day_of_the_books_is_closed_once_by_the_client_of_the_key(api: Api, database: AsyncEngine) -> None:
    await books_begin(database)
    async with database.begin() as connection:
        await post(connection, 300)
        await job_runs.open_runs(connection, job_name("stripe"), [BOOKS_DAY])
    path, balance = f"/v1/clearing/days/{BOOKS_DAY}/close", f"/v1/clearing/trial-balance/{BOOKS_DAY}"
    assert (await api.get(balance)).body["closed_at"] is None
    following = f"/v1/clearing/days/{BOOKS_DAY + timedelta(days=1)}/close"
    assert code(await api.send("POST", following, REASON, client="books")) == (409, "day-not-closed")
    unexplained = await api.send("POST", path, REASON, client="books")
    assert (code(unexplained), "stripe: the statement of" in unexplained.body["detail"]) == (
        (409, "day-not-closed"),
        True,
    )
    closed = await api.send("POST", path, {**REASON, "force": True}, client="books")
    assert (closed.status, closed.body["closed_by"], closed.body["entries"]) == (200, "client:books", 2)
    assert [row["closing"] for row in closed.body["accounts"]] == [-300, 300]
    assert (await api.send("POST", path, {"reason": "again"}, client="books")).body == closed.body
    assert (await api.get(balance)).body == closed.body
    assert await rows(database, "SELECT count(*) FROM closed_days") == [(1,)]


async def test_there_is_no_trial_balance_of_a_day_to_come(api: Api) -> None:
    day = datetime.now(UTC).date() + timedelta(days=3)
    assert code(await api.get(f"/v1/clearing/trial-balance/{day}")) == (404, "no-trial-balance")


async def test_the_report_of_a_day_is_a_page_and_a_file_for_spreadsheets(api: Api, database: AsyncEngine) -> None:
    await found(database, theirs=-123_456)
    path = f"/v1/clearing/days/{DAY}/report"
    page = await api.get(f"{path}.html?provider=stripe")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "script" not in page.headers["Content-Security-Policy"]
    assert "\u22121\u202f234.56" in page.body.decode()
    whole, table = await api.get(f"{path}.csv"), await api.get(f"{path}.csv?section=discrepancies")
    assert whole.body.decode("utf-8-sig").startswith("Clearing of 20 November 2026")
    header, row = table.body.decode("utf-8-sig").splitlines()
    assert ('theirs,"theirs, minor units"' in header, ",-1234.56,-123456,RUB" in row) == (True, True)
    assert "clearing-2026-11-20-discrepancies.csv" in table.headers["Content-Disposition"]
    for query in ("provider=paypal", "section=cash", "colour=red"):
        assert code(await api.get(f"{path}.csv?{query}")) == (422, "invalid-request")
    assert code(await api.send("GET", f"{path}.html", client="analyst")) == (403, "forbidden")


async def test_nothing_is_stuck_without_payments(api: Api) -> None:
    assert (await api.get("/v1/clearing/stuck")).body == {"data": []}


async def test_without_postgres_the_answer_is_a_503_that_says_when_to_repeat(world: World, api: Api) -> None:
    world.settings.postgres_url = "postgresql://nobody@127.0.0.1:1/none"
    answer = await api.get("/v1/clearing/days")
    assert (code(answer), answer.headers["Retry-After"]) == ((503, "analytics-away"), "2")


async def test_the_python_client_reads_decides_and_closes(world: World, database: AsyncEngine) -> None:
    await books_begin(database)
    async with database.begin() as connection:
        await post(connection, 300)
        await job_runs.open_runs(connection, job_name("stripe"), [DAY])
    ids = {await found(database) for _ in range(3)}
    async with BillingClient(world.url, "finance-key", repeats=Repeats(first_s=0.01)) as finance:
        listed = [d async for d in finance.clearing.discrepancies(limit="1", provider="stripe")]
        assert {d.id for d in listed} == ids
        claimed = await finance.clearing.claim(listed[0].id, "mine", seen=1, idempotency_key="k")
        assert claimed == await finance.clearing.claim(listed[0].id, "mine", seen=1, idempotency_key="k")
        with pytest.raises(InvalidRequest) as stale:
            await finance.clearing.resolve(listed[0].id, "not_ours", "theirs", seen=1)
        assert stale.value.code == "discrepancy-changed"
        resolved = await finance.clearing.resolve(listed[0].id, "not_ours", "theirs", seen=2)
        assert (await finance.clearing.reopen(resolved.id, "no", seen=resolved.version)).state == "PERSON"
        assert len((await finance.clearing.discrepancy(resolved.id)).history) == 4
        (day,) = await finance.clearing.days(**{"from": str(DAY)})
        assert (await finance.clearing.request_run("stripe", DAY, "once more")).state == day.state == "open"
        assert await finance.clearing.day(DAY) == (day,)
        assert await finance.clearing.stuck() == ()
        assert b"Clearing of 20 November 2026" in await finance.clearing.report(DAY, "html")
        with pytest.raises(Forbidden):
            await finance.clearing.close_day(BOOKS_DAY, "explained")
    async with BillingClient(world.url, "books-key") as books:
        closed = await books.clearing.close_day(BOOKS_DAY, "explained", force=True)
        assert await books.clearing.trial_balance(BOOKS_DAY) == closed
