"""``billing clearing close`` and ``trial-balance``."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from cli import output
from cli.clearing import books as cli_books
from cli.clearing.app import app
from providers.registry import PLUGINS
from runtime.settings import Settings
from tests.conftest import Stack
from tests.support.clearing import Cleared
from tests.support.factories import PROVIDER
from tests.support.ledger import DAY, NOON, books_begin, post

WHO = ("--by", "olga", "--reason", "all explained")
NEXT = DAY + timedelta(days=1)


@pytest.fixture
async def books(database: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> AsyncEngine:
    """Books that begin on ``DAY``, with one posting."""
    settings = Settings(postgres_url=database.url.set(drivername="postgresql").render_as_string(hide_password=False))
    monkeypatch.setattr(output, "settings_of_running_stack", lambda: settings)
    known = {name: plugin.capabilities.settlement for name, plugin in PLUGINS.items()}
    monkeypatch.setattr(cli_books, "settlements", lambda: known)
    await books_begin(database)
    async with database.begin() as connection:
        await post(connection, 300)
    return database


async def said(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


async def told(*arguments: str) -> Any:
    done = await said(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


async def test_the_first_open_day_is_closed_and_its_trial_balance_stays(books: AsyncEngine) -> None:
    closed = await told("close", *WHO)
    assert (closed["accounting_date"], closed["closed_by"], closed["entries"]) == (str(DAY), "olga", 2)
    assert closed["accounts"] == [
        {"account": "clearing:stripe", "currency": "RUB", "opening": 0, "debit": 0, "credit": 300, "closing": -300},
        {"account": "fees:stripe", "currency": "RUB", "opening": 0, "debit": 300, "credit": 0, "closing": 300},
    ]
    async with books.begin() as connection:
        await post(connection, 5)
    assert await told("trial-balance", str(DAY)) == closed
    open_day = await told("trial-balance", str(NEXT))
    assert (open_day["closed_at"], open_day["hash"], open_day["entries"]) == (None, None, 2)
    assert open_day["accounts"][1]["closing"] == 305


async def test_the_table_says_what_each_account_holds_and_who_closed_the_day(books: AsyncEngine) -> None:
    assert "the day is open" in (await said("trial-balance", str(DAY))).stdout
    assert f"{DAY} is closed with 2 entries" in (await said("close", *WHO)).stdout
    shown = (await said("trial-balance", str(DAY))).stdout
    assert "by olga: all explained; hash" in shown
    assert "clearing:stripe" in shown


async def test_an_open_day_opens_with_the_days_before_it_that_are_open_too(books: AsyncEngine) -> None:
    balance = await told("trial-balance", str(NEXT))
    assert [(row["account"], row["opening"], row["debit"]) for row in balance["accounts"]] == [
        ("clearing:stripe", -300, 0),
        ("fees:stripe", 300, 0),
    ]


async def test_a_day_that_cannot_be_closed_is_refused_with_the_reason_and_stays_on_record(books: AsyncEngine) -> None:
    done = await said("close", "--date", str(NEXT), *WHO)
    assert (done.exit_code, f"days are closed in order: {DAY} is open" in done.output) == (1, True)
    await told("close", "--date", str(DAY), *WHO)
    again = await said("close", "--date", str(DAY), *WHO)
    assert (again.exit_code, "closed already" in again.output) == (1, True)
    async with books.connect() as connection:
        rows = await connection.execute(
            text("SELECT subject_id, actor, outcome, details ? 'hash' FROM operator_actions ORDER BY id")
        )
        assert [tuple(row) for row in rows] == [
            (str(NEXT), "olga", "refused", False),
            (str(DAY), "olga", "done", True),
            (str(DAY), "olga", "refused", False),
        ]


@pytest.mark.parametrize("day", [DAY - timedelta(days=1), DAY + timedelta(days=40_000)])
async def test_there_is_no_trial_balance_of_a_day_before_the_books_or_to_come(books: AsyncEngine, day: Any) -> None:
    done = await said("trial-balance", str(day))
    assert (done.exit_code, str(day) in done.output) == (1, True)


async def test_closing_needs_a_name_and_a_reason(books: AsyncEngine) -> None:
    assert (await said("close", "--by", "olga", "--reason", " ")).exit_code == 2
    assert (await said("close", "--by", " ", "--reason", "x")).exit_code == 2
    assert (await told("trial-balance", str(DAY)))["closed_at"] is None


def test_a_day_that_is_not_over_is_not_closed(running: Stack) -> None:
    done = running.billing("clearing", "close", *WHO)
    assert (done.returncode, "is not over" in done.stderr) == (1, True)


async def test_a_day_that_clearing_is_not_through_with_is_closed_by_force_only(books: AsyncEngine) -> None:
    world = Cleared(books)
    await world.paid(at=NOON)
    open_day = await said("tie-out", "--json")
    assert open_day.exit_code == 1
    shown = json.loads(open_day.stdout)
    assert shown["reasons"][0] == f"{PROVIDER}: the statement of {DAY} is not cleared"
    refused = await said("close", *WHO)
    assert (refused.exit_code, "is not explained" in refused.output) == (1, True)
    closed = await told("close", "--force", *WHO)
    assert closed["accounting_date"] == str(DAY)
    async with books.connect() as connection:
        rows = await connection.execute(text("SELECT details FROM operator_actions ORDER BY id DESC LIMIT 1"))
        assert rows.scalar_one()["unexplained"] == shown["reasons"]
