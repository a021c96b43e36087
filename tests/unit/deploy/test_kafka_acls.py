"""deploy/kafka/acls.sh: which process may do what with which topic."""

import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from billing.messages.topics import (
    CALLBACKS,
    CLEARING_EVENTS,
    DEAD_LETTERS,
    EVENTS,
    INBOX,
    RENEWALS,
    REPLIES,
    REQUESTS,
    SUBSCRIPTION_EVENTS,
    SUBSCRIPTIONS,
    TOPICS,
    Topic,
)  # fmt: skip
from storage.streams.positions import Consumer
from streams.app import GROUP

SCRIPT = Path(__file__).parents[3] / "deploy" / "kafka" / "acls.sh"


@pytest.fixture(scope="module")
def granted() -> dict[tuple[str, str, str], set[str]]:
    """(user, kind of resource, name) → operations."""
    shown = subprocess.run(["bash", str(SCRIPT)], check=True, capture_output=True, text=True).stdout
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for line in shown.splitlines():
        words = line.split()
        options = list(zip(words[1::2], words[2::2], strict=False))
        (user,) = (value.removeprefix("User:") for name, value in options if name == "--allow-principal")
        operations = {value for name, value in options if name == "--operation"}
        for name, value in options:
            if name in ("--topic", "--group"):
                found[user, name, value] |= operations
    return found


@pytest.mark.parametrize(
    ("topic", "writers"),
    [
        (INBOX, {"ingest", "worker", "scheduler", "admin", "operator"}),
        (REQUESTS, {"worker", "admin", "operator"}),
        (RENEWALS, {"worker", "admin", "operator"}),
        (CALLBACKS, {"ingest", "worker", "admin", "operator"}),
        (EVENTS, {"worker", "signals", "analytics", "admin", "operator"}),
        (SUBSCRIPTIONS, {"ingest", "worker", "scheduler", "admin", "operator"}),
        (SUBSCRIPTION_EVENTS, {"worker", "signals", "analytics", "admin", "operator"}),
        (CLEARING_EVENTS, {"scheduler", "signals", "analytics", "admin", "operator"}),
        (REPLIES, {"worker", "operator"}),
        (DEAD_LETTERS, {"worker", "signals", "analytics", "operator"}),
    ],
    ids=lambda value: value.name if isinstance(value, Topic) else "",
)
def test_a_topic_is_written_by_those_who_have_to(granted, topic: Topic, writers: set[str]) -> None:
    assert {user for (user, kind, name), may in granted.items() if name == topic.name and "Write" in may} == writers


def test_every_topic_of_ours_is_there_and_no_other(granted) -> None:
    assert {name for _, kind, name in granted if kind == "--topic"} == {topic.name for topic in TOPICS}


def test_consumers_may_use_their_groups(granted) -> None:
    for user, group in (("worker", GROUP), ("signals", Consumer.SIGNALS), ("analytics", Consumer.ANALYTICS)):
        assert "Read" in granted[user, "--group", group]


def test_the_panel_may_read_the_replies_to_its_commands_and_dead_letters(granted) -> None:
    for topic in (REPLIES, DEAD_LETTERS):
        assert granted["admin", "--topic", topic.name] == {"Read", "Describe"}


def test_nobody_may_do_everything(granted) -> None:
    assert not [key for key, may in granted.items() if "All" in may]
