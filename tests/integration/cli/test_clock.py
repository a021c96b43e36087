"""``billing clock`` on the running stack."""

import json
from uuid import uuid4

from tests.conftest import Stack


def test_a_clock_without_subscriptions_arrives_at_once_and_never_goes_back(running: Stack) -> None:
    made = running.billing("clock", "create", "a test", "--at", "2026-01-31", "--json")
    assert made.returncode == 0, made.stderr
    clock = json.loads(made.stdout)["id"]
    arrived = running.billing("clock", "advance", clock, "2027-01-31", "--json")
    assert arrived.returncode == 0, arrived.stderr
    assert json.loads(arrived.stdout)["now_at"] == "2027-01-31T00:00:00Z"
    back = running.billing("clock", "advance", clock, "2026-06-01")
    assert (back.returncode, "never goes back" in back.stderr) == (2, True)
    far = running.billing("clock", "advance", clock, "2040-01-01")
    assert (far.returncode, "five years" in far.stderr) == (2, True)
    shown = json.loads(running.billing("clock", "show", clock, "--json").stdout)
    assert (shown["target_at"], shown["subscriptions"]) == ("2027-01-31T00:00:00Z", 0)
    assert running.billing("clock", "show", str(uuid4())).returncode == 2


def test_no_clock_is_made_where_they_are_off(running: Stack) -> None:
    running.environment["BILLING_TEST_CLOCKS"] = "false"
    try:
        refused = running.billing("clock", "create", "a test")
    finally:
        del running.environment["BILLING_TEST_CLOCKS"]
    assert (refused.returncode, "BILLING_TEST_CLOCKS" in refused.stderr) == (2, True)
