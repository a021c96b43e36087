"""Postgres dates each entry of the ledger, and lets none into a closed day."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.ledger.accounts import AccountKind
from runtime.postgres import sqlstate
from tests.integration.storage.payments.test_books import captured
from tests.support.factories import NOW
from tests.support.ledger import DAY, NOON, books_begin, dates_of, post

MIDNIGHT = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
"""The end of ``DAY`` in Moscow."""
YESTERDAY = DAY - timedelta(days=1)
TOMORROW = DAY + timedelta(days=1)


@pytest.fixture(autouse=True)
async def _books(database):
    await books_begin(database)


async def refusal(database, statement, **values):
    with pytest.raises(DBAPIError) as caught:
        async with database.begin() as connection:
            await connection.execute(text(statement), values)
    return sqlstate(caught.value), str(caught.value.orig)


@pytest.mark.parametrize(("posted_at", "dated"), [(MIDNIGHT - timedelta(microseconds=1), DAY), (MIDNIGHT, TOMORROW)])
async def test_an_entry_has_the_date_of_its_posting_in_the_zone_of_the_books(database, posted_at, dated):
    async with database.begin() as connection:
        assert await dates_of(connection, await post(connection, posted_at=posted_at)) == (dated, None)


async def test_an_entry_of_a_closed_day_is_booked_on_the_first_open_one_and_names_the_day_that_it_corrects(database):
    async with database.begin() as connection:
        late = await post(connection, posted_at=NOON - timedelta(days=3))
        assert await dates_of(connection, late) == (DAY, DAY - timedelta(days=3))
        corrected = await post(connection, corrects_date=YESTERDAY)
        assert await dates_of(connection, corrected) == (DAY, YESTERDAY)


async def test_an_entry_that_names_an_open_day_has_that_date(database):
    async with database.begin() as connection:
        dated = await post(connection, posted_at=NOON + timedelta(days=2), accounting_date=TOMORROW)
        assert await dates_of(connection, dated) == (TOMORROW, None)


async def test_an_entry_that_names_a_closed_day_is_refused(database):
    with pytest.raises(DBAPIError, match="2026-11-19 is closed, the first open day is 2026-11-20") as caught:
        async with database.begin() as connection:
            await post(connection, accounting_date=YESTERDAY)
    assert sqlstate(caught.value) == "BL002"


async def test_an_entry_corrects_an_earlier_day_only(database):
    with pytest.raises(DBAPIError, match="corrects_an_earlier_day"):
        async with database.begin() as connection:
            await post(connection, corrects_date=DAY)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
async def test_a_transaction_that_would_not_see_a_day_being_closed_writes_no_entry(database, level):
    async with database.connect() as connection:
        await connection.execution_options(isolation_level=level)
        with pytest.raises(DBAPIError, match="READ COMMITTED"):
            await post(connection)


TWO_DAYS = """
    INSERT INTO ledger_entries (posting_id, line, account, amount, currency, posted_at, source, cause_kind, cause_id,
                                accounting_date)
    SELECT id, line, 'fees:stripe', amount, 'RUB', now(), 'clearing', 'fee', 'b', dated
    FROM gen_random_uuid() AS id,
         (VALUES (0, 5, CAST(:day AS date)), (1, -5, CAST(:day AS date) + 1)) AS lines (line, amount, dated)
"""


async def test_a_posting_lies_within_one_day(database):
    async with database.begin() as connection:
        await post(connection)
    state, said = await refusal(database, TWO_DAYS, day=DAY)
    assert (state, "does not balance" in said) == ("23514", True)


async def test_a_payments_entries_are_dated_and_its_source_named(database):
    await captured(database)
    async with database.connect() as connection:
        rows = await connection.execute(
            text("SELECT DISTINCT source, accounting_date, corrects_date FROM ledger_entries")
        )
        assert [tuple(row) for row in rows] == [("payment", NOW.date(), None)]


#: How the last release writes an entry: it names the columns that it knows.
LAST_RELEASE = """
    INSERT INTO ledger_entries (posting_id, line, account, amount, currency, payment_id, operation_id, posted_at, cause_kind,
                                cause_id)
    SELECT CAST(:id AS uuid), line, account, -amount, currency, payment_id, operation_id, posted_at, cause_kind, cause_id
    FROM ledger_entries
"""
#: How release 0006 wrote one: NULL in every column that it did not know.
RELEASE_0006 = """
    INSERT INTO ledger_entries SELECT r.* FROM json_populate_recordset(NULL::ledger_entries, (
        SELECT json_agg(json_build_object(
            'posting_id', CAST(:id AS uuid), 'line', line, 'account', account, 'amount', -amount, 'currency', currency,
            'payment_id', payment_id, 'operation_id', operation_id, 'posted_at', posted_at)) FROM ledger_entries
    )) AS r
"""


@pytest.mark.parametrize("written", [LAST_RELEASE, RELEASE_0006])
async def test_the_entries_of_an_older_worker_are_dated_like_ours(database, written):
    await captured(database)
    id = "00000000-0000-0000-0000-000000000001"
    async with database.begin() as connection:
        await connection.execute(text(written), {"id": id})
        rows = await connection.execute(
            text("SELECT DISTINCT source, accounting_date FROM ledger_entries WHERE posting_id = :id"), {"id": id}
        )
        assert [tuple(row) for row in rows] == [("payment", NOW.date())]


@pytest.mark.parametrize("source", ["payment", None, "somebody"])
async def test_only_clearing_and_people_post_without_a_payment(database, source):
    with pytest.raises(DBAPIError, match="source_founded"):
        async with database.begin() as connection:
            await post(connection, source=source)
    async with database.begin() as connection:
        for named in ("clearing", "manual"):
            await post(connection, source=named)


async def test_every_kind_of_account_can_be_posted_to(database):
    async with database.begin() as connection:
        for kind in AccountKind:
            await post(connection, accounts=(f"{kind}:stripe", "clearing:stripe"))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM accounting_period",
        "TRUNCATE accounting_period",
        "DELETE FROM closed_days",
        "TRUNCATE closed_days",
        "UPDATE closed_days SET content = '{}'",
        "UPDATE accounting_period SET first_open = first_open - 1",
        "UPDATE accounting_period SET first_open = first_open + 1",
    ],
)
async def test_a_closed_day_is_never_opened_again(database, statement):
    async with database.begin() as connection:
        await connection.execute(
            text("INSERT INTO closed_days VALUES (:day, '{}', NULL, sha256(''))"), {"day": YESTERDAY}
        )
    state, _ = await refusal(database, statement)
    assert state == "23001"


async def test_a_zone_that_postgres_does_not_know_is_refused_before_an_entry_needs_it(database):
    state, _ = await refusal(database, "UPDATE accounting_period SET zone = 'Europe/Nowhere'")
    assert state == "22023"
    async with database.begin() as connection:
        await post(connection)
