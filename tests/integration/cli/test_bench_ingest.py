"""``billing bench --only ingest``."""

import json

from aiokafka.admin import AIOKafkaAdminClient

from cli.bench.isolation import PREFIX


async def test_it_counts_accepted_requests_and_removes_its_topics(running, stack):
    done = running.billing("bench", "--only", "ingest", "--seconds", "1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr

    figures = json.loads(done.stdout.splitlines()[-1])
    for name in ("commands", "callbacks"):
        assert figures[name]["accepted"] > 0
        assert figures[name]["failed"] == 0
        assert set(figures[name]["ms_at_half_load"]) == {"p50", "p95", "p99"}
    assert figures["lost"] == 0
    assert all(figures["floors"].values())
    admin = AIOKafkaAdminClient(bootstrap_servers=stack["urls"]["kafka"])
    await admin.start()
    try:
        assert not [topic for topic in await admin.list_topics() if topic.startswith(PREFIX)]
    finally:
        await admin.close()
