"""The subscribers' year that the demo plays."""

import json
from typing import Any

from tests.conftest import Stack
from tests.support.shop import audited

#: Of every twenty two recover, one dies, two cancel, one pays on a page, one removes the method.
SUBSCRIBERS = 40
AMOUNT = 39_900


def test_a_year_of_subscribers_is_told_alike_by_every_service(running: Stack) -> None:
    demo = running.billing("demo", "--payments", "10", "--subscribers", str(SUBSCRIBERS), "--json", timeout=420)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    year: dict[str, Any] = json.loads(demo.stdout.splitlines()[-1])["year"]
    assert year["problems"] == []
    assert (year["subscribers"], year["active"]) == (SUBSCRIBERS, 32)
    assert (year["recovered"], year["lost"], year["cancelled"], year["method_removed"]) == (6, 2, 4, 2)
    assert year["receipts"] == year["renewals"] == year["periods"] - SUBSCRIBERS
    assert year["charged"] == year["periods"] * AMOUNT
    *parts, closing = year["mrr"].values()
    assert sum(parts) == closing == year["active"] * AMOUNT
    assert year["mrr"]["opening"] == 24 * AMOUNT
    assert audited(running) == []
