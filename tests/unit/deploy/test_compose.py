"""Which parts the local stack starts, by settings."""

from pathlib import Path

import pytest

from deploy.local import kafka
from deploy.local.layout import Layout, Memory
from deploy.local.part import PartUnavailable, Stage
from deploy.local.stack import Stack, compose
from runtime.settings import Settings

EXTERNAL = {
    "kafka": "kafka.example:9092",
    "postgres": "postgresql://u:p@postgres.example/billing",
    "rabbitmq": "amqp://u:p@rabbitmq.example/",
    "clickhouse": "http://u:p@clickhouse.example:8123/billing",
}


def stack(tmp_path: Path, workers: int = 1, **settings: str) -> Stack:
    external = {f"{name}_url": url for name, url in EXTERNAL.items()}
    return compose(Settings(**(external | settings)), Layout(tmp_path), Memory(), workers)  # type: ignore[arg-type]


def test_a_part_with_an_address_is_used_from_there_and_not_started(tmp_path):
    found = stack(tmp_path)
    ours = {"admin", "sandbox", "ingest", "worker-1", "signals", "analytics", "scheduler", "monitor"}
    assert {part.name for part in found.parts} == ours
    assert {name: found.urls[name] for name in EXTERNAL} == EXTERNAL
    assert all(found.embedded[name] == "external" for name in EXTERNAL)
    assert found.environment["BILLING_KAFKA_URL"] == EXTERNAL["kafka"]


def test_there_are_as_many_workers_as_asked_for(tmp_path):
    names = [part.name for part in stack(tmp_path, workers=3).parts]
    assert [name for name in names if name.startswith("worker")] == ["worker-1", "worker-2", "worker-3"]


def test_only_the_chosen_parts_are_started(tmp_path):
    found = stack(tmp_path, clickhouse_url="", local_parts="clickhouse,worker")
    assert [part.name for part in found.parts] == ["clickhouse", "worker-1"]
    assert found.embedded["ingest"] == "none"
    assert found.urls["ingest"] is None


def test_nothing_is_migrated_where_a_store_is_missing(tmp_path):
    assert stack(tmp_path).migrates
    assert not stack(tmp_path, postgres_url="", local_parts="worker").migrates


def test_our_processes_start_after_the_servers(tmp_path):
    stages = {part.name: part.stage for part in stack(tmp_path, clickhouse_url="").parts}
    assert stages["clickhouse"] == Stage.SERVER
    assert stages["worker-1"] == stages["ingest"] == Stage.OURS


def test_the_tansu_stand_in_gets_producers_it_does_not_refuse(tmp_path):
    found = stack(tmp_path, kafka_url="", local_kafka="tansu")
    assert found.embedded["kafka"] == "tansu"
    assert found.environment["BILLING_KAFKA_IDEMPOTENCE"] == "false"


def test_without_java_the_stand_in_is_taken_and_apache_is_refused_with_advice(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert stack(tmp_path, kafka_url="").embedded["kafka"] == "tansu"
    with pytest.raises(PartUnavailable, match=r"Java.*BILLING_KAFKA_URL"):
        stack(tmp_path, kafka_url="", local_kafka="apache")
    assert not kafka.has_java()


def test_the_api_key_is_given_to_ingest_as_a_hash_only(tmp_path):
    found = stack(tmp_path)
    assert found.api_key not in "".join(found.environment.values())
