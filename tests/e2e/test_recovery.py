"""``billing bench --only recovery``: payments go on by themselves after a killed worker and a stopped Kafka."""

import json

import pytest

from tests.conftest import Stack
from tests.support.shop import audited

#: The command waits for the rate of before, which may not come back beside other tests.
PATIENCE_S = 600


@pytest.mark.timeout(PATIENCE_S)
def test_after_a_killed_worker_and_a_stopped_kafka_payments_go_on_and_none_is_lost(running: Stack) -> None:
    done = running.billing(
        "bench", "--only", "recovery", "--seconds", "4", "--concurrency", "8", "--json", timeout=PATIENCE_S
    )

    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["faults"].keys() == {"worker-1", "kafka"}
    for fault in figures["faults"].values():
        assert fault["rate_before"] > 0
        assert fault["down_s"] is not None
        assert fault["lost"] == 0
    assert audited(running) == []
