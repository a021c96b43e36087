"""What Postgres itself refuses, whatever the code does."""

from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.ledger.postings import CauseKind
from billing.payments.decide import decide
from billing.vocabulary import PaymentStatus
from storage.inspection.books import BOOKS, broken
from storage.journal.timeline import postings_of
from storage.migrate import migrate
from storage.payments.rows import load_payments
from storage.payments.save import Changes, save
from tests.support.factories import NOW, a_create, a_payment, opened, told


async def captured(engine):
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    postings = []
    for message in (opened(payment), told(payment, PaymentStatus.CAPTURED)):
        decision = decide(payment, message, NOW)
        payment, postings = decision.payment, [*postings, *decision.postings]
    changes = Changes(
        created=[payment],
        payments=[payment],
        operations=[(payment, operation) for operation in payment.operations],
        postings=[(payment, posting) for posting in postings],
        journal=[],
    )
    async with engine.begin() as connection:
        await save(connection, changes, [])
    return payment


async def refused(engine, sql, **parameters):
    with pytest.raises(DBAPIError) as caught:
        async with engine.begin() as connection:
            await connection.execute(text(sql), parameters)
    return str(caught.value.orig)


async def test_a_payment_is_read_back_as_it_was_written(database):
    payment = await captured(database)
    async with database.connect() as connection:
        stored = (await load_payments(connection, [payment.id]))[payment.id]
    same_order = msgspec.structs.replace(stored, operations=tuple(sorted(stored.operations, key=lambda o: o.id)))
    assert same_order == msgspec.structs.replace(
        payment, operations=tuple(sorted(payment.operations, key=lambda o: o.id))
    )


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("authorized = amount + 1", "authorized_within_amount"),
        ("captured = authorized + 1", "captured_within_authorized"),
        ("refunded = captured + 1", "refunded_within_captured"),
        ("refund_pending = captured, refunded = 1", "refunded_within_captured"),
        ("refunded = -1", "refunded_within_captured"),
        ("charged_back = captured + 1", "returned_within_captured"),
        ("charged_back = captured, refund_pending = 1", "returned_within_captured"),
        ("charged_back = captured, refunded = 1", "returned_within_captured"),
        ("charged_back = -1", "returned_within_captured"),
    ],
)
async def test_amounts_that_cannot_be_are_refused(database, change, constraint):
    payment = await captured(database)
    assert constraint in await refused(database, f"UPDATE payments SET {change} WHERE id = :id", id=payment.id)


async def test_a_posting_that_does_not_balance_is_refused_at_the_end_of_the_transaction(database):
    payment = await captured(database)
    problem = await refused(
        database,
        """
        INSERT INTO ledger_entries
        VALUES (:posting, 0, 'revenue', -100, 'RUB', :payment, :operation, now()),
               (:posting, 1, 'clearing:yandex-pay', 99, 'RUB', :payment, :operation, now())
        """,
        posting=uuid4(),
        payment=payment.id,
        operation=payment.operations[0].id,
    )
    assert "does not balance" in problem


@pytest.mark.parametrize("sql", ["UPDATE ledger_entries SET amount = -amount", "DELETE FROM ledger_entries"])
async def test_ledger_entries_are_never_changed(database, sql):
    await captured(database)
    assert "only reversed" in await refused(database, sql)


async def test_the_same_posting_cannot_be_written_twice(database):
    payment = await captured(database)
    problem = await refused(
        database,
        "INSERT INTO ledger_entries SELECT * FROM ledger_entries WHERE payment_id = :id",
        id=payment.id,
    )
    assert "duplicate key" in problem


async def test_migrations_run_twice_change_nothing(database):
    await migrate(database)
    async with database.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM alembic_version"))).scalar_one() == 1


async def test_a_posting_names_its_operation_as_its_cause(database):
    payment = await captured(database)
    async with database.connect() as connection:
        rows = await connection.execute(
            text("SELECT DISTINCT cause_kind, cause_id, operation_id::text FROM ledger_entries")
        )
        assert [tuple(row) for row in rows] == [("operation", *[str(payment.operations[-1].id)] * 2)]
        assert {posting.cause.kind for posting in await postings_of(connection, payment.id)} == {CauseKind.OPERATION}


@pytest.mark.parametrize(
    ("kind", "cause"), [("operation", "another"), ("payout", None), (None, "yandex-pay/2026-11-27")]
)
async def test_a_posting_without_its_cause_is_refused(database, kind, cause):
    payment = await captured(database)
    problem = await refused(
        database,
        "INSERT INTO ledger_entries (posting_id, line, account, amount, currency, posted_at, operation_id, cause_kind,"
        " cause_id) VALUES (gen_random_uuid(), 0, 'revenue', 1, 'RUB', now(), :operation, :kind, :cause)",
        operation=payment.operations[0].id,
        kind=kind,
        cause=cause,
    )
    assert "has_cause" in problem


async def test_a_posting_for_something_else_than_an_operation_needs_no_payment(database):
    await captured(database)
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO ledger_entries (posting_id, line, account, amount, currency, posted_at, cause_kind, cause_id,"
                " source)"
                " SELECT CAST(:id AS uuid), line, account, amount, 'RUB', now(), 'payout', 'yandex-pay/2026-11-27',"
                " 'clearing'"
                " FROM (VALUES (0, 'revenue', 100), (1, 'clearing:yandex-pay', -100)) AS lines (line, account, amount)"
            ),
            {"id": uuid4()},
        )
        for kind in BOOKS:
            assert await broken(connection, kind) == [] or kind == "version_unjournalled"
