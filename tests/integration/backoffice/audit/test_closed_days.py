"""The audit finds what was changed in closed days, past every trigger."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.audit.audit import check_books
from backoffice.audit.findings import Findings
from backoffice.clearing.closing import close_day
from backoffice.operators import Operator
from runtime.settings import Settings
from storage.inspection.books import moment
from tests.integration.backoffice.audit.books import captured, damage
from tests.support.factories import NOW
from tests.support.ledger import DAY, NOON, books_begin, post

OLGA = Operator("olga", "all explained")
DAYS = 3


async def found(engine: AsyncEngine) -> dict[str, set[str]]:
    findings = Findings()
    async with moment(engine) as connection:
        await check_books(connection, findings)
    kinds: dict[str, set[str]] = {}
    for violation in findings.violations:
        kinds.setdefault(violation.kind, set()).add(violation.id)
    return kinds


async def closed_days(engine: AsyncEngine) -> None:
    """Three closed days with fees, one of them late, above fees that are older than the books; and a day that is open."""
    await books_begin(engine)
    async with engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await post(connection, 9_000, posted_at=NOON - timedelta(days=9))
    async with engine.begin() as connection:
        for day in range(DAYS + 1):
            await post(connection, 100 + day, posted_at=NOON + timedelta(days=day))
    settings = Settings(postgres_url=engine.url.set(drivername="postgresql").render_as_string(hide_password=False))
    for _ in range(DAYS):
        await close_day(settings, {}, OLGA, None)
    async with engine.begin() as connection:
        await post(connection, 5)


async def test_days_that_were_closed_have_no_violation(database):
    await captured(database)
    await closed_days(database)
    assert await found(database) == {}


AN_ENTRY = """
    INSERT INTO ledger_entries (posting_id, line, account, amount, currency, posted_at, source, cause_kind, cause_id,
                                accounting_date)
    SELECT CAST('00000000-0000-0000-0000-000000000001' AS uuid), line, account, amount, 'RUB', CAST(:at AS timestamptz),
           'clearing', 'fee', 'a', CAST(:day AS date)
    FROM (VALUES (0, 'fees:stripe', 100), (1, 'clearing:stripe', -100)) AS lines (line, account, amount)
"""
ACCOUNTS = ("clearing:stripe", "fees:stripe")
DIGIT = """
    UPDATE closed_days SET content = replace(content::text, '101,"opening', '109,"opening')::json
    WHERE accounting_date = DATE '2026-11-21'
"""
NAME = """
    UPDATE closed_days SET content = replace(content::text, 'olga', 'anna')::json
    WHERE accounting_date = DATE '2026-11-21'
"""
REHASHED = """
    UPDATE closed_days SET hash = sha256(coalesce(prev_hash, '') || convert_to(content::text, 'UTF8'))
    WHERE accounting_date = DATE '2026-11-21'
"""


@pytest.mark.parametrize(
    ("kind", "ids", "statements"),
    [
        ("chain_broken", {"2026-11-21"}, [DIGIT]),
        ("chain_broken", {"2026-11-21", "2026-11-22"}, [DIGIT, REHASHED]),
        ("chain_broken", {"2026-11-21"}, [NAME]),
        ("chain_broken", {"2026-11-21", "2026-11-22"},
         ["DELETE FROM closed_days WHERE accounting_date = DATE '2026-11-21'"]),
        ("chain_broken", {"2026-11-22", "2026-11-23"},
         ["DELETE FROM closed_days WHERE accounting_date = DATE '2026-11-22'"]),
        ("chain_broken", {"2026-11-20", "2026-11-21", "2026-11-22"}, ["DELETE FROM closed_days"]),
        ("chain_broken", {"2026-11-25"}, ["UPDATE accounting_period SET first_open = DATE '2026-11-25'"]),
        ("trial_balance_nonzero", {"2026-11-21/RUB", "2026-11-21/fees:stripe/RUB"}, [DIGIT]),
        ("trial_balance_nonzero", {"2026-11-23/RUB"},
         ["DELETE FROM ledger_entries WHERE accounting_date = DATE '2026-11-23' AND line = 0"]),
        ("closed_day_changed", {f"2026-11-21/{account}/RUB" for account in ACCOUNTS}, [AN_ENTRY]),
        ("closed_day_changed", {f"2026-11-21/{account}/RUB" for account in ACCOUNTS},
         ["UPDATE ledger_entries SET amount = 2 * amount WHERE accounting_date = DATE '2026-11-21'"]),
        ("closed_day_changed", {f"2026-11-21/{account}/RUB" for account in ACCOUNTS},
         ["DELETE FROM ledger_entries WHERE accounting_date = DATE '2026-11-21'"]),
        ("closed_day_changed", {f"2026-11-20/{account}/RUB" for account in ACCOUNTS},
         ["DELETE FROM ledger_entries WHERE accounting_date IS NULL"]),
        ("entry_undated", {"00000000-0000-0000-0000-000000000001"},
         [AN_ENTRY.replace(":at", "now() + interval '2 hours'").replace(":day", "NULL")]),
    ],
)  # fmt: skip
async def test_each_change_of_a_closed_day_is_found(database, kind, ids, statements):
    await closed_days(database)
    await damage(database, *statements, at=NOW, day=DAY + timedelta(days=1))
    assert (await found(database))[kind] == ids


async def test_the_entries_that_clearing_and_operators_write_are_no_payments(database):
    await captured(database)
    await books_begin(database)
    async with database.begin() as connection:
        operation = (await connection.execute(text("SELECT id FROM operations WHERE type = 'CAPTURE'"))).scalar_one()
        payment, provider = (await connection.execute(text("SELECT id, provider FROM payments"))).one()
        clearing = f"clearing:{provider}"
        await post(connection, accounts=("fees:stripe", clearing), payment_id=payment, operation_id=operation)
        await post(connection, accounts=(clearing, f"suspense:{provider}"), source="manual", payment_id=payment)
    assert await found(database) == {}
