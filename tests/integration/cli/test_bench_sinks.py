"""``billing bench --only sinks``."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from analytics.clickhouse import connect
from analytics.migrate import migrate
from cli.bench import lag
from cli.bench.sinks import _changes
from runtime.settings import Settings


async def test_the_lag_covers_every_change_and_nothing_is_left(stack, running, monkeypatch):
    monkeypatch.setattr(lag, "SECONDS", 2)
    monkeypatch.setattr(lag, "RATE", 50)
    urls = stack["urls"]
    (taken,) = [process["port"] for process in stack["processes"] if process["name"] == "analytics"]
    monkeypatch.setenv("BILLING_METRICS_PORT", str(taken))  # as where a sink runs in the same container
    url = urlunsplit(urlsplit(urls["clickhouse"])._replace(path="/test_lag"))
    settings = Settings(
        state_dir=running.state_dir, kafka_url=urls["kafka"], postgres_url=urls["postgres"], clickhouse_url=url
    )
    await migrate(settings)
    client = await connect(url)
    try:
        figures = await lag.measure_lag(settings, url, _changes(20))
        ((events,),) = (await client.query("SELECT sum(events) FROM stream_metrics")).result_rows
    finally:
        await client.command("DROP DATABASE test_lag")
        await client.close()
    assert events == 2 * 50 * lag.CHANGES
    assert 0 < figures["p50"] <= figures["p99"] <= figures["max"]
    await nothing_is_left(urls)


async def nothing_is_left(urls: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=urls["kafka"])
    await admin.start()
    try:
        assert not [topic for topic in await admin.list_topics() if topic.startswith("bench.")]
    finally:
        await admin.close()
    postgres = await asyncpg.connect(urls["postgres"])
    try:
        assert await postgres.fetchval("SELECT count(*) FROM stream_positions WHERE consumer LIKE 'bench.%'") == 0
    finally:
        await postgres.close()
