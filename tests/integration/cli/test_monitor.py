"""`billing monitor` on the running stack."""

import json

from tests.conftest import Stack


def test_one_look_shows_every_consumer_and_says_whether_somebody_has_to_act(running: Stack) -> None:
    looked = running.billing("monitor", "--json")
    found = json.loads(looked.stdout)
    assert looked.returncode == (1 if found["level"] == "page" else 0), looked.stderr
    blocks = {block["name"]: block["rows"] for block in found["blocks"]}
    assert next(iter(blocks)) == "unfinished"
    assert {row["consumer"] for row in blocks["streams"]} >= {"payments", "provider", "sink.rabbitmq"}
    assert all(row["behind"] is not None for row in blocks["streams"]), "Kafka's ends are known"
    assert {row["process"] for row in blocks["processes"]} >= {"ingest", "worker"}


def test_people_get_tables(running: Stack) -> None:
    shown = running.billing("monitor", "--once").stdout
    assert "Oldest unfinished payments" in shown
    assert "sink.rabbitmq" in shown
