"""Duration of each report on many operations and subscriptions, generated in a database of the benchmark's own."""

import time
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from clickhouse_connect.driver.asyncclient import AsyncClient
from rich.table import Table

from analytics.clickhouse import connect
from analytics.of_client import tables_of
from analytics.report import QUERY_SETTINGS, bind, read_reports, run
from cli.bench import clearing_rows, subscription_rows
from cli.bench.isolation import STATEMENT_TIMEOUT_S, own_database
from runtime.settings import Settings

#: Payments per insert: well within the query timeout.
CHUNK: Final = 250_000
#: The payments spread over this many days before today.
DAYS: Final = 90
#: Operations for each subscription: a year of renewals is about as many payments as all others.
OPERATIONS_PER_SUBSCRIPTION: Final = 20
#: Seconds that a report may take with default parameters.
LIMIT_S: Final = 1.0

#: Of ten payments two are declined, one is voided, one partly refunded. Chunks are inserted one after another, so
#: that ClickHouse has parts to merge.
_PAYMENT: Final = """
    toUUID(concat('00000000-0000-4000-8000-', leftPad(toString(number), 12, '0'))) AS payment_id,
    number % 10 AS story,
    toInt64(9900 + number % 7 * 10000) AS price,
    toDateTime64(toDate({today:Date}), 6, 'UTC') - toIntervalSecond(cityHash64(number) % {seconds:UInt32}) AS created_at,
    if(number % 3 = 0, 'KZT', 'RUB') AS currency,
    if(number % 4 = 0, 'first', 'second') AS provider,
    if(story = 2, 'TWO_STAGE', 'ONE_STAGE') AS capture_mode,
    concat('customer-', toString(cityHash64(number, 'c') % {customers:UInt32})) AS customer_id,
    if(story >= 2, price, 0) AS authorized,
    if(story > 2, price, 0) AS captured,
    if(story = 9, intDiv(price, 2), 0) AS refunded
FROM numbers({start:UInt64}, {count:UInt64})
"""
_STEPS: Final[dict[str, str]] = {
    "payment_versions": """
        INSERT INTO payment_versions (payment_id, version, status, amount, authorized, captured, refunded, currency,
            provider, capture_mode, customer_id, order_id, client_id, reason, created_at, updated_at, stream_partition,
            stream_offset)
        SELECT payment_id, 3, multiIf(story < 2, 'FAILED', story = 2, 'VOIDED', story = 9, 'PARTIALLY_REFUNDED',
            'CAPTURED'), price, authorized, captured, refunded, currency, provider, capture_mode, customer_id,
            payment_id, 'shop', if(story < 2, 'insufficient_funds', ''), created_at,
            created_at + toIntervalMillisecond(cityHash64(payment_id) % 60000), 0, 0
        FROM (SELECT {payment})
    """,
    "operation_versions": """
        INSERT INTO operation_versions (operation_id, payment_id, version, type, status, amount, currency, provider,
            capture_mode, customer_id, order_id, client_id, payment_status, reason, provider_ref, created_at,
            updated_at, stream_partition, stream_offset)
        SELECT reinterpretAsUUID(concat(reinterpretAsString(sipHash64(payment_id)), reinterpretAsString(type))),
            payment_id, 3, if(type = 1, 'AUTHORIZE', if(story = 2, 'VOID', 'CAPTURE')),
            if(story < 2 AND type = 1, 'FAIL', 'SUCCESS'), price, currency, provider, capture_mode, customer_id,
            payment_id, 'shop', 'CAPTURED',
            if(story < 2, ['insufficient_funds', 'stolen_card', 'expired_card'][1 + price % 3], ''), '', created_at,
            created_at, 0, 0
        FROM (SELECT {payment}) ARRAY JOIN [toUInt64(1), toUInt64(2)] AS type
    """,
    "payment_item_versions": """
        INSERT INTO payment_item_versions (payment_id, product_id, version, title, quantity, amount, captured, refunded,
            currency, provider, customer_id, created_at)
        SELECT payment_id, concat('film-', toString(cityHash64(payment_id) % 2000)), 3, 'A film', 1, price, captured,
            refunded, currency, provider, customer_id, created_at
        FROM (SELECT {payment})
    """,
    "ledger_entry_versions": """
        INSERT INTO ledger_entry_versions (posting_id, line, version, account, amount, currency, provider, payment_id,
            operation_id, posted_at)
        SELECT payment_id, line, 3, if(line = 0, concat('clearing:', provider), 'revenue'),
            if(line = 0, captured, -captured), currency, provider, payment_id, payment_id, created_at
        FROM (SELECT {payment}) ARRAY JOIN [toUInt32(0), toUInt32(1)] AS line WHERE captured > 0
    """,
    "provider_call_versions": """
        INSERT INTO provider_call_versions (payment_id, version, operation_id, provider, action, outcome, reason,
            duration_us, ended_at)
        SELECT payment_id, 2, payment_id, provider, 'CREATE', if(story < 2, 'DECLINED', 'SUCCEEDED'), '',
            20000 + cityHash64(payment_id) % 400000, created_at
        FROM (SELECT {payment})
    """,
}


async def measure_reports(
    settings: Settings, operations: int, today: date, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Generate ``operations`` (two per payment) and subscriptions, and time every report with default parameters, the better
    of two runs. ``floor_seconds``: ClickHouse counts the rows that the report's tables hold, and computes nothing."""
    async with own_database(settings) as url:
        client = await connect(url, receive_timeout_s=STATEMENT_TIMEOUT_S)
        try:
            started = time.monotonic()
            await generate(client, operations, today, on_progress)
            made_s = time.monotonic() - started
            seconds, floors, floor_of_table = {}, {}, dict[str, float]()
            for name, report in read_reports().items():
                on_progress(f"report {name}")
                seconds[name] = round(min([await _timed(client, report, today) for _ in range(2)]), 3)
                for table in tables_of(report.sql) - floor_of_table.keys():
                    floor_of_table[table] = min([await _timed_count(client, table) for _ in range(2)])
                floors[name] = round(sum(floor_of_table[table] for table in tables_of(report.sql)), 3)
            counted = await _count(client, "operation_versions")
            subscriptions = await _count(client, "subscription_versions")
        finally:
            await client.close()
    return {
        "operations": counted,
        "subscriptions": subscriptions,
        "made_in_seconds": round(made_s, 1),
        "report_seconds": seconds,
        "floor_seconds": floors,
    }


def reports_table(figures: dict[str, Any]) -> Table:
    """The figures as a table."""
    made = f"{figures['operations']:,} operations and {figures['subscriptions']:,} subscriptions".replace(",", " ")
    table = Table(title=f"reports on {made}", title_justify="left")
    table.add_column("report")
    table.add_column("seconds", justify="right")
    table.add_column("counting its rows", justify="right")
    for name, seconds in sorted(figures["report_seconds"].items(), key=lambda pair: -pair[1]):
        floor = figures["floor_seconds"][name]
        table.add_row(name, f"{seconds:.3f}", f"{floor:.3f}", style="red" if seconds > LIMIT_S else None)
    return table


async def generate(client: AsyncClient, operations: int, today: date, on_progress: Callable[[str], None]) -> None:
    """Insert ``operations`` (two per payment), subscriptions that these pay for, and their clearing."""
    await _generate_payments(client, operations // 2, today, on_progress)
    await _generate_subscriptions(client, operations, today, on_progress)
    values = {"today": today, "days": clearing_rows.DAYS, "operations": operations}
    for step in clearing_rows.STEPS.values():
        await client.command(step, parameters=values)


async def _generate_payments(
    client: AsyncClient, payments: int, today: date, on_progress: Callable[[str], None]
) -> None:
    for start in range(0, payments, CHUNK):
        on_progress(f"{start:,} of {payments:,} payments generated".replace(",", " "))
        values = {
            "today": today,
            "seconds": DAYS * 86_400,
            "customers": max(payments // 8, 1),
            "start": start,
            "count": min(CHUNK, payments - start),
        }
        for statement in _STEPS.values():
            await client.command(statement.replace("{payment}", _PAYMENT), parameters=values)


async def _generate_subscriptions(
    client: AsyncClient, operations: int, today: date, on_progress: Callable[[str], None]
) -> None:
    subscriptions = operations // OPERATIONS_PER_SUBSCRIPTION
    for start in range(0, subscriptions, subscription_rows.CHUNK):
        on_progress(f"{start:,} of {subscriptions:,} subscriptions generated".replace(",", " "))
        values = {
            "today": today,
            "seconds": subscription_rows.DAYS * 86_400,
            "payments": max(operations // 2, 1),
            "start": start,
            "count": min(subscription_rows.CHUNK, subscriptions - start),
        }
        for step in subscription_rows.STEPS.values():
            await client.command(subscription_rows.statement(step), parameters=values)


async def _timed_count(client: AsyncClient, view: str) -> float:
    started = time.monotonic()
    await _count(client, view)
    return time.monotonic() - started


async def _count(client: AsyncClient, table: str) -> int:
    return int((await client.query(f"SELECT count() FROM {table}", settings=dict(QUERY_SETTINGS))).result_rows[0][0])  # noqa: S608 - a table of ours


async def _timed(client: AsyncClient, report: Any, today: date) -> float:
    started = time.monotonic()
    await run(client, report, bind(report, {}, today))
    return time.monotonic() - started
