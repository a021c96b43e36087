"""The numbers of the books, on Postgres: what is oldest, who is behind, what does not add up, and who reads it."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages.topics import DEAD_LETTERS, INBOX
from monitoring.books import BookReader, Books
from monitoring.metrics import Metrics
from monitoring.process import Monitor
from runtime.postgres import create_engine
from runtime.settings import Settings
from storage import monitoring
from storage.payments.save import Changes, save
from tests.integration.storage.clearing.test_stuck import unknown_charge
from tests.support.factories import PROVIDER, a_payment, authorized


class Ends:
    """Kafka's ends, as the test sets them."""

    def __init__(self, ends: Mapping[tuple[str, int], tuple[int, int]] | None = None) -> None:
        self.ends = ends

    async def read(self) -> Mapping[tuple[str, int], tuple[int, int]] | None:
        return self.ends

    async def close(self) -> None:
        """Is connected to nothing."""


async def read(engine: AsyncEngine, ends: Ends | None = None) -> Books:
    async with engine.connect() as connection:
        return await BookReader(ends or Ends({})).read(connection)


async def run(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def store(engine: AsyncEngine, payment: Any) -> Any:
    operations = [(payment, operation) for operation in payment.operations]
    async with engine.begin() as connection:
        await save(connection, Changes([payment], [payment], operations, [], []), [])
    return payment


async def test_the_oldest_unfinished_payment_of_each_provider_and_state_comes_first(database: AsyncEngine) -> None:
    old, new = await store(database, a_payment()), await store(database, a_payment())
    held = await store(database, authorized())
    await run(
        database,
        f"UPDATE payments SET created_at = now() - interval '1 hour' WHERE id = '{new.id}'",
        f"UPDATE payments SET created_at = now() - interval '3 hours' WHERE id = '{old.id}'",
        f"UPDATE payments SET created_at = now() - interval '2 hours' WHERE id = '{held.id}'",
    )

    books = await read(database)

    assert [(one.state, one.number, one.payment) for one in books.unfinished] == [
        ("PENDING", 2, old.id),
        ("AUTHORIZED", 1, held.id),
    ]
    metrics = Metrics()
    metrics.show(books)
    age = metrics.registry.get_sample_value(
        "books_unfinished_oldest_seconds", {"provider": PROVIDER, "state": "PENDING"}
    )
    assert age == pytest.approx(3 * 3600, abs=60)


async def test_an_unknown_outcome_and_a_question_that_is_late_are_counted(database: AsyncEngine) -> None:
    await store(database, unknown_charge())
    await run(database, "UPDATE operations SET next_chase_at = now() - interval '2 minutes'")
    books = await read(database)
    assert [(one.provider, one.number) for one in books.unknown] == [(PROVIDER, 1)]
    assert [(one.provider, one.number) for one in books.overdue] == [(PROVIDER, 1)]

    await run(database, "UPDATE operations SET next_chase_at = now() - interval '30 seconds'")
    assert not (await read(database)).overdue


async def test_lag_counts_from_the_position_and_a_position_that_does_not_move_is_still(database: AsyncEngine) -> None:
    await run(
        database,
        f"INSERT INTO stream_positions (consumer, topic, partition, next_offset) VALUES ('payments', '{INBOX.name}', 0, 5)",
    )
    ends = Ends({(INBOX.name, 0): (0, 9)})
    reader = BookReader(ends)
    async with database.connect() as connection:
        (first,) = (await reader.read(connection)).lags
        await asyncio.sleep(0.05)
        (second,) = (await reader.read(connection)).lags
        ends.ends = None
        (unknown,) = (await reader.read(connection)).lags
    assert first.lag is not None
    assert second.lag is not None
    assert (first.lag.messages, first.lag.still_s) == (4, 0)
    assert second.lag.still_s >= 0.05
    assert unknown.lag is None, "Kafka does not answer: nothing is invented"


async def test_letters_are_open_until_they_are_resolved(database: AsyncEngine) -> None:
    await run(
        database,
        "INSERT INTO dead_letter_resolutions VALUES (0, 3, 'discarded', 'ann', 'old', now()),"
        " (0, 11, 'discarded', 'ann', 'x', now())",
    )
    # Kafka no longer holds offset 3.
    books = await read(database, Ends({(DEAD_LETTERS.name, 0): (10, 14)}))
    assert books.letters_open == 3


async def test_an_entry_without_its_counterpart_is_seen(database: AsyncEngine) -> None:
    await run(
        database,
        "SET LOCAL session_replication_role = replica",
        "INSERT INTO ledger_accounts (code, kind) VALUES ('test', 'bank')",
        "INSERT INTO ledger_entries (posting_id, line, account, amount, currency, posted_at, cause_kind, cause_id, source)"
        f" VALUES ('{uuid4()}', 0, 'test', 700, 'RUB', now(), 'test', 'x', 'clearing')",
    )
    assert (await read(database)).imbalance == {"RUB": 700}


async def test_parked_callbacks_jobs_switches_and_discrepancies_are_read(database: AsyncEngine) -> None:
    await run(
        database,
        "INSERT INTO parked_callbacks (id, provider, body, received_at, next_try_at)"
        " VALUES ('1', 'stripe', '', now() - interval '2 hours', now())",
        "INSERT INTO job_runs (job, business_date, started_at, finished_at)"
        " VALUES ('daily-record', '2026-01-01', now(), now())",
        "INSERT INTO provider_switches (provider, enabled, reason, actor, switched_at)"
        " VALUES ('stripe', false, 'slow', 'ann', now())",
        "INSERT INTO discrepancies (id, provider, subject, kind, severity, state, business_date, currency, ours, theirs,"
        f" version, opened_at, updated_at) VALUES ('{uuid4()}', 'stripe', 'day:1', 'unknown_payment', 'high', 'PERSON',"
        " '2026-01-01', 'RUB', NULL, 500, 1, now(), now())",
    )
    metrics = Metrics()
    metrics.show(await read(database))
    value = metrics.registry.get_sample_value
    assert value("books_parked_oldest_seconds", {"provider": "stripe"}) == pytest.approx(7200, abs=60)
    assert value("books_provider_enabled", {"provider": "stripe"}) == 0
    assert value("books_discrepancies_minor", {"provider": "stripe", "currency": "RUB"}) == -500
    assert value("books_job_finished_timestamp_seconds", {"name": "daily-record"})


async def test_open_approvals_are_counted_and_those_that_are_over_are_not(database: AsyncEngine) -> None:
    payment = await store(database, a_payment())
    ask = (
        "INSERT INTO approvals (id, action, payment_id, payment_version, type, command, preview, currency, cause,"
        " requested_by, reason, requested_at, expires_at, decided_by, decided_at, decision, sent_at)"
        f" SELECT gen_random_uuid(), 'refund', '{payment.id}', 1, 't', '', '', 'RUB', 'c', 'ann', 'r',"
        " now() - interval '{asked}', now() + interval '{left}', {decided}, {sent}"
    )
    undecided, approved = "NULL, NULL, NULL", "'bob', now() - interval '10 minutes', 'approved'"
    await run(
        database,
        ask.format(asked="3 hours", left="21 hours", decided=undecided, sent="NULL"),
        ask.format(asked="1 hour", left="23 hours", decided=undecided, sent="NULL"),
        ask.format(asked="4 hours", left="20 hours", decided=approved, sent="NULL"),
        ask.format(asked="5 hours", left="19 hours", decided=approved, sent="now()"),
        ask.format(asked="6 hours", left="18 hours", decided="'bob', now(), 'refused'", sent="NULL"),
        ask.format(asked="30 hours", left="-6 hours", decided=undecided, sent="NULL"),
    )
    metrics = Metrics()
    metrics.show(await read(database))
    value = metrics.registry.get_sample_value
    waiting, unsent = {"state": "waiting"}, {"state": "not sent"}
    assert (value("books_approvals_open", waiting), value("books_approvals_open", unsent)) == (2, 1)
    assert value("books_approvals_oldest_seconds", waiting) == pytest.approx(3 * 3600, abs=60)
    assert value("books_approvals_oldest_seconds", unsent) == pytest.approx(600, abs=60)


#: Tables that grow with payments: none may be read whole every few seconds.
GROWING = (
    "payments",
    "operations",
    "ledger_entries",
    "parked_callbacks",
    "discrepancies",
    "dead_letter_resolutions",
    "approvals",
)
VALUES = {"counted": monitoring.COUNTED, "seconds": monitoring.BALANCED_S, "partitions": [0], "firsts": [0]}


@pytest.mark.parametrize(
    "statement", [name for name, value in vars(monitoring).items() if name.isupper() and hasattr(value, "text")]
)
async def test_every_statement_has_an_index_for_what_grows(database: AsyncEngine, statement: str) -> None:
    clause = getattr(monitoring, statement)
    explain = text(f"EXPLAIN {clause.text}").bindparams(*clause._bindparams.values())
    async with database.connect() as connection:
        await connection.execute(text("SET enable_seqscan = off"))
        values = {name: VALUES[name] for name in clause._bindparams}
        plan = "\n".join((await connection.execute(explain, values)).scalars())
    for table in GROWING:
        assert f"Seq Scan on {table}" not in plan, plan


async def test_of_two_monitors_one_reads_and_the_other_takes_over_when_it_is_lost(database: AsyncEngine) -> None:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    engines = [create_engine(Settings(postgres_url=url), pool_size=1) for _ in range(2)]
    metrics = [Metrics(), Metrics()]
    tasks = [
        asyncio.create_task(Monitor(engine, BookReader(Ends({})), one, every_s=0.05).run())
        for engine, one in zip(engines, metrics, strict=True)
    ]

    def elected() -> list[float | None]:
        return [one.registry.get_sample_value("monitor_elected") for one in metrics]

    async def until(condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.02)

    try:
        await until(lambda: sorted(value or 0 for value in elected()) == [0, 1])
        leader = elected().index(1.0)
        tasks[leader].cancel()
        await until(lambda: elected()[1 - leader] == 1.0)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for engine in engines:
            await engine.dispose()


async def test_a_lead_that_lost_its_connection_is_given_up(database: AsyncEngine) -> None:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    engine = create_engine(Settings(postgres_url=url), pool_size=1)
    metrics = Metrics()
    task = asyncio.create_task(Monitor(engine, BookReader(Ends({})), metrics, every_s=0.05).run())
    name = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = 1836019305"

    async def holder() -> int | None:
        async with database.connect() as connection:
            found: int | None = (await connection.execute(text(name))).scalar()
            return found

    async def changes(before: int | None) -> int:
        async with asyncio.timeout(10):
            while (now := await holder()) in (None, before):
                await asyncio.sleep(0.02)
        assert now is not None
        return now

    try:
        first = await changes(None)
        await run(database, f"SELECT pg_terminate_backend({first})")
        await changes(first)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await engine.dispose()
