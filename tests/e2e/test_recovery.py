"""``billing bench --only recovery``: payments go on by themselves after a killed worker and a stopped Kafka."""

import json

from tests.conftest import Stack
from tests.support.shop import audited


def test_after_a_killed_worker_and_a_stopped_kafka_payments_go_on_and_none_is_lost(running: Stack) -> None:
    done = running.billing("bench", "--only", "recovery", "--seconds", "4", "--concurrency", "8", "--json", timeout=600)

    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["faults"].keys() == {"worker-1", "kafka"}
    for fault in figures["faults"].values():
        assert fault["rate_before"] > 0
        assert fault["back_s"] is not None
        assert fault["lost"] == 0
    assert audited(running) == []
