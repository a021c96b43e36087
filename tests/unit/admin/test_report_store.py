"""The store of reports and its one client of ClickHouse."""

import asyncio
from typing import Any

import pytest

from admin import report_store
from admin.report_store import ReportStore
from analytics.report import Report, Result


class FakeClient:
    def __init__(self) -> None:
        self.closed = False

    async def command(self, _statement: str) -> int:
        return 1

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[FakeClient]:
    made: list[FakeClient] = []

    async def connect(_url: str) -> FakeClient:
        await asyncio.sleep(0)  # as long as the server takes to answer, others run
        made.append(FakeClient())
        return made[-1]

    async def run(_client: Any, _report: Report, _values: Any, *, of: str | None) -> Result:
        return Result((), [])

    monkeypatch.setattr(report_store, "connect", connect)
    monkeypatch.setattr(report_store, "run", run)
    return made


async def test_reports_and_probes_that_begin_at_once_share_one_client_which_is_closed(
    clients: list[FakeClient],
) -> None:
    store = ReportStore("http://clickhouse/billing")

    await asyncio.gather(*(store.run("funnel", {}, None) for _ in range(3)), store.answers())
    await store.close()

    assert [client.closed for client in clients] == [True]


async def test_a_clickhouse_that_could_not_be_reached_is_asked_again(
    clients: list[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = report_store.connect

    async def refused(_url: str) -> FakeClient:
        raise OSError("refused")

    store = ReportStore("http://clickhouse/billing")
    monkeypatch.setattr(report_store, "connect", refused)
    assert not await store.answers()
    monkeypatch.setattr(report_store, "connect", connect)
    assert await store.answers()
    assert len(clients) == 1
