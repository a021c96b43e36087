"""Run a named report on ClickHouse."""

from collections.abc import Mapping
from typing import Any

from analytics.clickhouse import connect
from analytics.report import Report, Result, run
from runtime.settings import ClickHouseSettings


async def run_report(settings: ClickHouseSettings, report: Report, values: Mapping[str, Any]) -> Result:
    """The report's result. ``values``: of its parameters, from :func:`analytics.report.bind`."""
    client = await connect(settings.clickhouse_url)
    try:
        return await run(client, report, values)
    finally:
        await client.close()
