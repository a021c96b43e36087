"""What an analyst reads in `DESCRIBE TABLE`: every column of every view says what it is."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient

from analytics.clickhouse import connect

#: Views that show a table's rows as they now are, and their tables.
WHOLE: Final = {
    "operations": "operation_versions",
    "payments": "payment_versions",
    "payment_items": "payment_item_versions",
    "ledger_entries": "ledger_entry_versions",
    "provider_calls": "provider_call_versions",
    "stream_metrics": "stream_metric_versions",
    "payment_milestones": "payment_milestone_states",
    "subscriptions": "subscription_versions",
    "subscription_changes": "subscription_change_versions",
    "subscription_periods": "subscription_period_versions",
    "renewal_attempts": "renewal_attempt_versions",
    "clearing_days": "clearing_day_versions",
    "discrepancies": "discrepancy_versions",
    "payouts": "payout_versions",
    "lost_callbacks": "lost_callback_versions",
}


@pytest.fixture
async def client(clickhouse_url: str) -> AsyncIterator[AsyncClient]:
    client = await connect(clickhouse_url)
    yield client
    await client.close()


async def test_every_column_of_every_view_is_commented(client: AsyncClient) -> None:
    found = await client.query(
        "SELECT table, name, comment FROM system.columns WHERE database = currentDatabase() AND table IN "
        "(SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View')"
    )
    views = {row[0] for row in found.result_rows}

    assert len(views) == 22
    assert views > WHOLE.keys()
    assert [(table, name) for table, name, comment in found.result_rows if not comment] == []


async def test_every_amount_says_that_it_is_minor_units(client: AsyncClient) -> None:
    found = await client.query(
        "SELECT table, name, comment FROM system.columns WHERE database = currentDatabase() AND type = 'Int64' "
        f"AND table IN ('revenue', {', '.join(repr(view) for view in WHOLE)})"
    )

    assert found.result_rows
    assert [(table, name) for table, name, comment in found.result_rows if "minor units" not in comment] == []


@pytest.mark.parametrize(("view", "table"), WHOLE.items())
async def test_a_view_has_every_column_of_its_table(client: AsyncClient, view: str, table: str) -> None:
    columns = [
        [row[:2] for row in (await client.query(f"DESCRIBE TABLE {name}")).result_rows] for name in (view, table)
    ]

    assert columns[0] == columns[1]
