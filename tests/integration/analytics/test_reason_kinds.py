"""Rows without a kind get it from their reason: those of before the migration, and those of an older sink."""

from datetime import datetime
from uuid import UUID

import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient

from analytics.clickhouse import connect
from analytics.migrate import migrate, read_migrations
from billing.reasons import Kind, Reason
from runtime.settings import Settings

AT = datetime(2026, 11, 23)  # noqa: DTZ001
REASONS = [*(reason.value for reason in Reason), "corrected: bank statement", "stolen_card"]
BEFORE = 3


async def insert(client: AsyncClient) -> None:
    """One failed operation for each reason, as a sink writes it that does not know the column."""
    rows = [[UUID(int=n), "AUTHORIZE", "FAIL", reason, AT] for n, reason in enumerate(REASONS)]
    columns = ["operation_id", "type", "status", "reason", "created_at"]
    await client.insert("operation_versions", rows, column_names=columns)
    await client.insert("operation_versions", [[UUID(int=999), "REFUND", "SUCCESS", "asked", AT]], column_names=columns)
    calls = [[UUID(int=n), n, reason, AT] for n, reason in enumerate([*REASONS, ""])]
    await client.insert("provider_call_versions", calls, column_names=["payment_id", "version", "reason", "ended_at"])


async def kinds(client: AsyncClient, view: str) -> dict[str, str]:
    return dict((await client.query(f"SELECT reason, reason_kind FROM {view}")).result_rows)


def expected() -> dict[str, str]:
    return {reason: Reason.of(reason).kind.value for reason in REASONS}


async def test_rows_of_an_older_sink_get_the_kind_of_their_reason(own_clickhouse: AsyncClient) -> None:
    await insert(own_clickhouse)

    assert await kinds(own_clickhouse, "operations") == {**expected(), "asked": ""}
    assert await kinds(own_clickhouse, "provider_calls") == {**expected(), "": ""}
    rows = (await own_clickhouse.query("SELECT reason, reason_kind FROM decline_reasons")).result_rows
    assert dict(rows) == {r: k for r, k in expected().items() if k in (Kind.ISSUER, Kind.PROVIDER)}


async def test_rows_of_before_the_migration_get_the_kind_of_their_reason(
    own: Settings, own_clickhouse: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{own_clickhouse.database}_old"
    old = own.model_copy(update={"clickhouse_url": own.clickhouse_url.replace(str(own_clickhouse.database), name)})
    migrations = read_migrations()
    monkeypatch.setattr("analytics.migrate.read_migrations", lambda: migrations[:BEFORE])
    await migrate(old)
    client = await connect(old.clickhouse_url)
    try:
        await insert(client)
        monkeypatch.setattr("analytics.migrate.read_migrations", lambda: migrations)
        await migrate(old)
        await migrate(old)  # repeats change nothing
        assert await kinds(client, "operations") == {**expected(), "asked": ""}
        assert await kinds(client, "provider_calls") == {**expected(), "": ""}
    finally:
        await client.command(f"DROP DATABASE `{name}`")
        await client.close()
