"""``billing bench --only clearing``."""

import json
from typing import Any

from cli.bench.cleared_operations import FAULT_AT


def test_every_seeded_fault_is_named_once_and_none_is_invented(running: Any) -> None:
    done = running.billing("bench", "--only", "clearing", "--operations", "2000", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert (figures["operations"], figures["outcome"]) == (2_000, "done")
    assert (figures["named"], figures["seeded"], figures["invented"]) == (2 * len(FAULT_AT), 2 * len(FAULT_AT), 0)
    assert figures["seconds"] >= sum(figures["by_step"].values()) > 0
    assert all(seconds > 0 for seconds in figures["floors"].values())
    assert figures["rss_mb"] > figures["rss_growth_mb"]
