"""``billing subscriptions simulate``."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app

FROM = ("--amount", "39900", "--from", "2026-01-31T10:00", "--json")


def play(*arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["subscriptions", "simulate", *FROM, *arguments])
    assert result.exit_code == 0, result.output
    entries: list[dict[str, Any]] = json.loads(result.output)["entries"]
    return entries


def test_two_years_are_charged_on_the_last_day_of_short_months() -> None:
    paid = [entry for entry in play("--periods", "24") if entry["what"] == "PAID"]
    assert len(paid) == 24
    assert [entry["local"][:10] for entry in paid[:5]] == [
        "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31",
    ]  # fmt: skip


def test_a_decline_is_retried_and_recovers() -> None:
    entries = play("--periods", "4", "--declines", "3=insufficient_funds,3.2=ok")
    third = [(e["what"], e["detail"]) for e in entries if e["period"] == 3]
    assert third == [
        ("CHARGE", "SCHEDULE"),
        ("DECLINED", "insufficient_funds"),
        ("CHARGE", "RETRY"),
        ("PAID", None),
    ]
    letters = [e["detail"] for e in entries if e["what"] == "NOTICE"]
    assert {"payment_failed", "recovered"} <= set(letters)


def test_a_period_that_is_never_paid_ends_the_subscription() -> None:
    entries = play("--periods", "4", "--declines", "2=insufficient_funds")
    assert [e["detail"] for e in entries if e["what"] == "STATUS"] == [
        "INCOMPLETE", "ACTIVE", "PAST_DUE", "ON_HOLD", "ENDED",
    ]  # fmt: skip


def test_a_cancellation_leaves_access_to_the_end_of_the_period() -> None:
    entries = play("--periods", "12", "--cancel", "2026-03-10T12:00")
    assert (entries[-1]["status"], entries[-1]["local"][:10]) == ("ENDED", "2026-03-31")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--declines", "3=nonsense"),
        ("--declines", "x=declined"),
        ("--cancel", "soon"),
        ("--zone", "Mars/Olympus"),
        ("cinema",),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["subscriptions", "simulate", *FROM, *arguments]).exit_code == 2


def test_people_get_a_table() -> None:
    result = CliRunner().invoke(app, ["subscriptions", "simulate", *FROM[:-1], "--periods", "2"])
    assert "2026-02-28 " in result.output
    assert "399.00 RUB" in result.output
