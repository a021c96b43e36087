"""The benchmark of reports makes what it says it makes, and cleans up."""

from datetime import date

from clickhouse_connect.driver.asyncclient import AsyncClient

from analytics.clickhouse import connect
from analytics.report import bind, read_reports, run
from cli.bench.isolation import own_database
from cli.bench.reports import generate, measure_reports
from runtime.settings import Settings


async def test_every_report_is_timed_beside_its_floor_on_what_was_asked_for_and_nothing_stays(
    own: Settings, own_clickhouse: AsyncClient, monkeypatch
) -> None:
    monkeypatch.setattr("cli.bench.isolation.DATABASE", f"{own_clickhouse.database}_bench")

    figures = await measure_reports(own, 4_000, date(2026, 11, 23), lambda _: None)

    assert figures["operations"] == 4_000
    assert figures["subscriptions"] == 200
    assert set(figures["report_seconds"]) == set(figures["floor_seconds"]) == set(read_reports())
    databases = await own_clickhouse.query("SELECT name FROM system.databases")
    assert f"{own_clickhouse.database}_bench" not in {row[0] for row in databases.result_rows}


async def test_every_report_has_rows_to_count(own: Settings, own_clickhouse: AsyncClient, monkeypatch) -> None:
    monkeypatch.setattr("cli.bench.isolation.DATABASE", f"{own_clickhouse.database}_rows")
    today = date(2026, 11, 23)

    async with own_database(own) as url:
        client = await connect(url)
        await generate(client, 4_000, today, lambda _: None)
        empty = [
            name for name, report in read_reports().items()
            if not (await run(client, report, bind(report, {}, today))).rows
        ]  # fmt: skip
        bought = await client.query(
            "SELECT count() FROM subscription_periods WHERE paid_by IN (SELECT payment_id FROM payments)"
        )
        await client.close()

    assert empty == ["stream_lag", "unfinished_by_age"], "no sink is in use here, and every payment is final"
    assert bought.result_rows[0][0] > 1_000
