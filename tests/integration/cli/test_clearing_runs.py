"""``billing clearing``."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from billing.clearing.discrepancies import Kind
from runtime.postgres import create_engine
from storage.clearing.discrepancies import Finding, discrepancy_id, record

#: A day that is over at every provider, and whose statements may be read.
DAY = date.today() - timedelta(days=3)  # noqa: DTZ011 - any day before yesterday
BY = ("--actor", "ann", "--reason", "the provider's letter of today")


def run(stack: Any, *arguments: str, code: int = 0) -> Any:
    done = stack.billing("clearing", *arguments, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def found(running: Any, settings: Any) -> Iterator[str]:
    """The id of a discrepancy that was just found. It does not stay: nothing at the provider explains it."""
    finding = Finding(
        subject=f"line:{DAY}:{uuid4()}#1",
        kind=Kind.UNKNOWN_PAYMENT,
        currency="RUB",
        theirs=150_000,
        detail={"kind": "charge"},
    )

    async def write() -> None:
        engine = create_engine(settings)
        async with engine.begin() as connection:
            await record(connection, "stripe", DAY, [finding], datetime.now(UTC), actor="system:clearing")
        await engine.dispose()

    async def remove() -> None:
        engine = create_engine(settings)
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            for table, column in (("discrepancy_events", "discrepancy_id"), ("discrepancies", "id")):
                await connection.execute(text(f"DELETE FROM {table} WHERE {column} = :id"), {"id": id})
        await engine.dispose()

    id = discrepancy_id("stripe", finding.subject)
    asyncio.run(write())
    yield str(id)
    asyncio.run(remove())


def test_a_day_without_payments_is_cleared_at_every_provider_and_shown(running: Any) -> None:
    tried = run(running, "run", "--date", str(DAY), "--dry-run")["ran"]
    assert [one["provider"] for one in tried] == ["stripe", "tbank", "yandex-pay", "yookassa"]
    assert run(running, "show", "--date", str(DAY))["days"] == [], "a dry run leaves nothing"
    ran = run(running, "run", "--date", str(DAY))["ran"]
    assert {(one["outcome"], one["lines"], one["movements"]) for one in ran} == {("done", 0, 0)}
    days = run(running, "show", "--date", str(DAY))["days"]
    assert {(one["provider"], one["state"]) for one in days} == {(one["provider"], "done") for one in ran}
    assert run(running, "run", "--date", str(DAY), "--provider", "tbank")["ran"][0]["found"] == {}


def test_runs_are_listed_by_state_and_day(running: Any) -> None:
    run(running, "run", "--date", str(DAY))
    listed = run(running, "runs", "--since", str(DAY), "--state", "done")["runs"]
    assert {(one["provider"], one["day"], one["state"]) for one in listed} >= {("stripe", str(DAY), "done")}
    assert all(one["finished_at"] for one in listed)
    assert run(running, "runs", "--since", str(DAY + timedelta(days=1)), "--state", "suspect")["runs"] == []
    assert str(DAY) in running.billing("clearing", "runs", "--provider", "stripe").stdout


def test_the_report_of_a_day_is_written_as_a_page_for_spreadsheets_and_as_json(
    running: Any, found: str, tmp_path: Any
) -> None:
    made = run_report(running)
    assert [s["name"] for s in made["sections"]][:3] == ["providers", "totals", "roll_forward"]
    discrepancies = next(s for s in made["sections"] if s["name"] == "discrepancies")
    assert found in [row[-1] for row in discrepancies["rows"]]
    assert running.billing("clearing", "report", str(DAY), "--provider", "stripe").stdout.startswith("<!doctype html>")
    for kind in ("html", "csv", "json"):
        done = running.billing("clearing", "report", str(DAY), "--format", kind, "--out", str(tmp_path))
        assert done.returncode == 0, done.stderr
    names = {file.name for file in tmp_path.iterdir()}
    assert names >= {f"clearing-{DAY}.html", f"clearing-{DAY}.json", f"clearing-{DAY}-discrepancies.csv"}
    assert ",1500.00,150000,RUB," in (tmp_path / f"clearing-{DAY}-discrepancies.csv").read_text("utf-8-sig")
    assert running.billing("clearing", "report", str(DAY), "--provider", "paypal").returncode == 2


def run_report(stack: Any) -> Any:
    done = stack.billing("clearing", "report", str(DAY), "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_day_that_is_not_over_and_an_unknown_provider_are_errors(running: Any) -> None:
    tomorrow = str(date.today() + timedelta(days=1))  # noqa: DTZ011 - nowhere over
    for arguments, reason in (
        (("--date", tomorrow), "is not over"),
        (("--date", str(DAY), "--provider", "paypal"), "there is no provider paypal"),
    ):
        done = running.billing("clearing", "run", *arguments)
        assert (done.returncode, reason in " ".join(done.stderr.split())) == (2, True), done.stderr


def test_a_statement_is_believed_by_name_only(running: Any) -> None:
    done = running.billing("clearing", "run", "--date", str(DAY), "--believe", "--actor", "ann")
    assert done.returncode == 2


def test_a_discrepancy_is_listed_shown_claimed_resolved_and_reopened(running: Any, found: str) -> None:
    listed = run(running, "discrepancies", "list", "--provider", "stripe")["discrepancies"]
    assert found in [one["id"] for one in listed]
    assert run(running, "discrepancies", "claim", found, *BY)["owner"] == "ann"
    resolved = run(running, "discrepancies", "resolve", found, "--as", "not_ours", *BY)
    assert (resolved["state"], resolved["resolution"]) == ("RESOLVED", "not_ours")
    assert resolved["confirm_by"] > str(DAY)
    assert run(running, "discrepancies", "reopen", found, *BY)["state"] == "PERSON"
    history = run(running, "discrepancies", "show", found)["history"]
    assert [entry["event"] for entry in history] == ["needs_person", "claimed", "resolved", "reopened"]
    assert {entry["actor"] for entry in history} == {"system:clearing", "operator:ann"}


def test_a_write_off_above_the_limit_is_made_in_the_panel(running: Any, found: str) -> None:
    resolve = ("clearing", "discrepancies", "resolve", found, "--as", "written_off", *BY)
    done = running.billing(*resolve)
    assert (done.returncode, "in the panel" in " ".join(done.stderr.split())) == (1, True)
    assert running.billing(*resolve, "--second", "bob").returncode == 2, "a typed name is no approval"
    assert run(running, "discrepancies", "show", found)["discrepancy"]["state"] == "PERSON"


def test_what_cannot_be_decided_so_is_refused(running: Any, found: str) -> None:
    for arguments in (
        ("resolve", found, "--as", "accepted", *BY),
        ("resolve", found, "--as", "recorded", *BY),
        ("resolve", found, "--as", "not_ours", *BY, "--seen", "7"),
        ("reopen", found, *BY),
        ("show", str(uuid4())),
    ):
        done = running.billing("clearing", "discrepancies", *arguments)
        assert done.returncode in (1, 2), done.stdout
        assert done.stderr.strip()


def test_tables_for_people(running: Any, found: str) -> None:
    listed = running.billing("clearing", "discrepancies", "list", "--provider", "stripe")
    assert "1500.00 RUB" in listed.stdout.replace("\n", " "), listed.stdout
    assert running.billing("clearing", "discrepancies", "show", found).returncode == 0
    assert running.billing("clearing", "stuck").returncode in (0, 1)
