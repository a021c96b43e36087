"""The long history that `billing bench --stored` measures with is made of whole payments, by the books' own rules."""

import pytest
from sqlalchemy import text

from cli.bench.run import NothingToCopy, fill
from tests.integration.storage.payments.test_books import captured

#: Rows that belong to nothing, and postings that do not balance: what the constraints would have refused.
BROKEN = """
SELECT (SELECT count(*) FROM cart_items WHERE order_id NOT IN (SELECT id FROM orders))
     + (SELECT count(*) FROM payments WHERE order_id NOT IN (SELECT id FROM orders))
     + (SELECT count(*) FROM operations WHERE payment_id NOT IN (SELECT id FROM payments))
     + (SELECT count(*) FROM ledger_entries WHERE operation_id NOT IN (SELECT id FROM operations))
     + (SELECT count(*) FROM (SELECT 1 FROM ledger_entries GROUP BY posting_id
                              HAVING sum(amount) <> 0 OR count(DISTINCT payment_id) <> 1) AS unbalanced)
"""


async def rows(engine, table):
    async with engine.connect() as connection:
        return (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()


async def test_each_copy_is_a_whole_payment_of_its_own(database):
    await captured(database)
    tables = ("orders", "cart_items", "payments", "operations", "ledger_entries")
    before = {table: await rows(database, table) for table in tables}

    assert await fill(database, 3, lambda _: None) == 3

    assert {table: await rows(database, table) for table in tables} == {t: 4 * n for t, n in before.items()}
    async with database.connect() as connection:
        assert (await connection.execute(text(BROKEN))).scalar_one() == 0


async def test_without_a_captured_payment_there_is_nothing_to_copy(database):
    with pytest.raises(NothingToCopy):
        await fill(database, 1, lambda _: None)
