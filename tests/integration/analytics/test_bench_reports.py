"""The benchmark of reports makes what it says it makes, and cleans up."""

from datetime import date

from clickhouse_connect.driver.asyncclient import AsyncClient

from analytics.report import read_reports
from cli.bench.reports import measure_reports
from runtime.settings import Settings


async def test_every_report_is_timed_on_the_operations_asked_for_and_nothing_stays(
    own: Settings, own_clickhouse: AsyncClient, monkeypatch
) -> None:
    monkeypatch.setattr("cli.bench.isolation.DATABASE", f"{own_clickhouse.database}_bench")

    figures = await measure_reports(own, 4_000, date(2026, 11, 23), lambda _: None)

    assert figures["operations"] == 4_000
    assert set(figures["report_seconds"]) == set(read_reports())
    databases = await own_clickhouse.query("SELECT name FROM system.databases")
    assert f"{own_clickhouse.database}_bench" not in {row[0] for row in databases.result_rows}
