"""``billing dead-letters`` on the running stack: an unreadable message is listed, shown, replayed and discarded."""

import asyncio
import json
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from billing.messages.topics import INBOX
from runtime.kafka.reader import TopicReader


@pytest.fixture
async def unreadable(running, settings) -> tuple[dict, str]:
    """An unreadable message that the payments agent wrote to the dead letters, and the mark it carries."""
    mark = uuid4().hex
    value = json.dumps({"mark": mark, "email": "a@b.example", "phone": "+7 900 000-00-00"}).encode()
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_url)
    await producer.start()
    headers = [("mark", mark.encode()), ("authorization", b"key")]
    sent = await producer.send_and_wait(INBOX.name, value, key=mark.encode(), headers=headers)
    await producer.stop()
    origin = f"{INBOX.name}/{sent.partition}/{sent.offset}"
    async with asyncio.timeout(60):
        while not (found := [row for row in _list(running) if row["origin"] == origin]):
            await asyncio.sleep(0.2)
    return found[0], mark


def _list(stack, *arguments: str) -> list[dict]:
    done = stack.billing("dead-letters", "list", "--limit", "10000", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["dead_letters"]


def _ids(stack, *arguments: str) -> set[str]:
    return {row["id"] for row in _list(stack, *arguments)}


def test_a_letter_is_listed_shown_masked_and_discarded_with_a_reason(running, unreadable):
    row, mark = unreadable
    assert (row["consumer"], row["resolution"]) == ("payments", None)
    shown = running.billing("dead-letters", "show", row["id"], "--json")
    assert shown.returncode == 0, shown.stderr
    report = json.loads(shown.stdout)
    assert report["value"] == {"mark": mark, "email": "***", "phone": "***"}
    assert report["headers"] == {"mark": mark, "authorization": "***"}
    assert running.billing("dead-letters", "show", row["id"]).returncode == 0

    assert running.billing("dead-letters", "discard", row["id"], "--actor", "ann").returncode == 2, (
        "a reason is required"
    )
    done = running.billing("dead-letters", "discard", row["id"], "--actor", "ann", "--reason", "a test")
    assert done.returncode == 0, done.stderr
    assert row["id"] not in _ids(running)
    (kept,) = (r["resolution"] for r in _list(running, "--all") if r["id"] == row["id"])
    assert (kept["action"], kept["actor"], kept["reason"]) == ("discarded", "ann", "a test")
    again = running.billing("dead-letters", "replay", row["id"], "--actor", "ann", "--reason", "a fix")
    assert again.returncode == 1
    assert "discarded by ann" in again.stderr


async def test_a_replayed_message_reaches_its_topic_unchanged(running, settings, unreadable):
    row, mark = unreadable
    done = running.billing("dead-letters", "replay", row["id"], "--actor", "ann", "--reason", "a fix")
    assert done.returncode == 0, done.stderr
    assert row["id"] not in _ids(running)
    copies = []
    async with TopicReader.open(settings) as log:
        async for records in log.read(INBOX.name, await log.bounds(INBOX.name)):
            copies += [record for record in records if record.key == mark.encode()]
    first, second = copies
    assert (first.value, first.headers, first.partition) == (second.value, second.headers, second.partition)


def test_an_unknown_letter_is_an_error(running):
    assert running.billing("dead-letters", "show", "0-999999999").returncode == 1
    assert running.billing("dead-letters", "show", "nonsense").returncode == 2
