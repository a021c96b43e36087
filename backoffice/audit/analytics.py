"""ClickHouse against Postgres: the same operations, with the same status and amount."""

from collections.abc import Mapping
from uuid import UUID

from clickhouse_connect.driver.asyncclient import AsyncClient
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.audit.findings import Findings
from storage.inspection import books as sql

#: The same figures as :func:`storage.inspection.books.operation_hours`.
_HOURS = """
    SELECT toUnixTimestamp(toStartOfHour(created_at)) AS hour, count(), sum(amount),
           sum(toInt128(reinterpretAsUInt32(reverse(substring(
               MD5(concat(toString(operation_id), '|', type, '|', status, '|', toString(amount))), 1, 4)))))
    FROM operations GROUP BY hour
"""
_OPERATIONS_OF_HOUR = """
    SELECT operation_id, concat(type, '|', status, '|', toString(amount)) FROM operations
    WHERE created_at >= toDateTime({hour:UInt32}, 'UTC') AND created_at < toDateTime({hour:UInt32} + 3600, 'UTC')
"""


async def check_analytics(
    connection: AsyncConnection, clickhouse: AsyncClient, findings: Findings, *, behind: bool
) -> None:
    """Compare counts, sums and checksums per hour of creation, and single operations where these differ.

    ``behind``: the sink has not delivered every event, so missing and older rows count as in flight.
    """
    books = await sql.operation_hours(connection)
    rows = (await clickhouse.query(_HOURS)).result_rows
    theirs = {int(hour): (int(n), int(amount), int(check)) for hour, n, amount, check in rows}
    findings.checked["analytics_operations"] += sum(n for n, _, _ in theirs.values())
    for hour in sorted(books.keys() | theirs.keys()):
        if books.get(hour) != theirs.get(hour):
            ours = await sql.operations_of_hour(connection, hour)
            rows = (await clickhouse.query(_OPERATIONS_OF_HOUR, parameters={"hour": hour})).result_rows
            compare(ours, {UUID(str(id)): what for id, what in rows}, findings, behind=behind)


def compare(ours: Mapping[UUID, str], theirs: Mapping[UUID, str], findings: Findings, *, behind: bool) -> None:
    """``ours`` (Postgres) and ``theirs`` (ClickHouse): operation → ``type|status|amount``."""
    for id, what in ours.items():
        found = theirs.get(id)
        if found == what:
            continue
        kind = "analytics_missing" if found is None else "analytics_mismatch"
        detail = f"Postgres has {what}, ClickHouse has {found or 'nothing'}"
        findings.under_way(kind, id, detail, settled=not behind)
    for id in theirs.keys() - ours.keys():
        findings.found("analytics_extra", id, f"ClickHouse has {theirs[id]}, Postgres has nothing")
