"""A run that is killed, or loses what it needs, at any of its steps is continued, and ends as if nothing had happened."""

import asyncio
import signal
import sys
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaConnectionError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages import Message, decode_envelope
from providers.statements import LineKind
from reconciliation.clearing.job import ClearingJob, clear_day, job_name
from reconciliation.clearing.run import Outcome
from reconciliation.metrics import Metrics
from storage import job_runs
from storage.processes.locks import Lock, writing
from tests.support.clearing import DAY, Cleared, charge, line
from tests.support.clearing_process import STEPS, WHEN, acting
from tests.support.factories import PROVIDER
from tests.support.streams import Publisher

JOB = job_name(PROVIDER)
RESULT = {
    "discrepancies": "SELECT subject, kind, state, ours, theirs, asked, version FROM discrepancies ORDER BY subject",
    "history": "SELECT discrepancy_id, version, event, state FROM discrepancy_events ORDER BY discrepancy_id, version",
    "lines": "SELECT line_ref, occurrence, operation_id, matched_by, withdrawn_at FROM statement_lines ORDER BY 1, 2",
    "staged": "SELECT count(*) FROM statement_staging",
    "posted": """
        SELECT account, amount, cause_kind, cause_id FROM ledger_entries WHERE source = 'clearing' ORDER BY 3, 4, 1
    """,
    "runs": "SELECT business_date, finished_at IS NOT NULL FROM job_runs ORDER BY 1",
}
#: Somebody holds a lock of a session, or of a transaction, in this database.
LOCKED = """
    SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE locktype = 'advisory' AND d.datname = current_database()
"""
Result = tuple[dict[str, list[tuple[Any, ...]]], set[str]]


class Undisturbed(Cleared):
    """A day with one difference of each treatment, and how it ends: rows by table, and what payments are told."""

    result: Result

    async def begin(self) -> None:
        wrong, disputed, _missing, *fine = await self.paid(5)
        refund = await self.refund(fine[0], 100)
        self.has(
            msgspec.structs.replace(charge(wrong), amount=wrong.captured - 1),
            charge(disputed),
            line(LineKind.CHARGEBACK, -40, own_id=disputed.charge.id, provider_ref="case-1"),
            *map(charge, fine),
            line(LineKind.REFUND, -100, own_id=refund),
            line(LineKind.REFUND_UNDONE, 100, own_id=refund),
            line(LineKind.CHARGE, 700, order_ref="nobody's"),
            line(LineKind.OTHER, 3, raw_type="Mystery", fee=2),
        )
        await self.understood()
        async with writing(self.engine, Lock.CLEARING, PROVIDER) as connection:
            assert connection is not None
            transaction = await connection.begin()
            await job_runs.open_runs(connection, JOB, [DAY])
            kafka: Any = self.kafka
            statement: Any = self.statement
            ran = await clear_day(connection, kafka, statement, PROVIDER, DAY, now=lambda: self.now, believe=False)
            self.result = await rows(connection), told(self.sent())
            await transaction.rollback()
        assert (ran.outcome, ran.asked) == (Outcome.DONE, 3)
        self.forget()

    def forget(self) -> None:
        """Nothing was read or published yet."""
        self.kafka.published.clear()
        self.statement.pages_read.clear()

    async def look(self, kafka: Any = None) -> None:
        """A scheduler that was just started looks once."""
        statement: Any = self.statement
        await ClearingJob(
            self.engine, kafka or self.kafka, {PROVIDER: statement}, Metrics(), now=lambda: self.now
        ).look()

    async def is_continued(self, before: AbstractSet[str] = frozenset()) -> None:
        """The next scheduler ends the run, as soon as Postgres has seen that the one before it is gone.

        Postgres rolls back, and frees a lock, some time after a process died: a backend that works reads no socket.
        """
        before = before | told(self.sent())
        async with asyncio.timeout(30):
            while await self.rows(LOCKED):
                await asyncio.sleep(0.02)
        await self.look()
        async with self.engine.connect() as connection:
            assert (await rows(connection), before | told(self.sent())) == self.result


async def rows(connection: AsyncConnection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: [tuple(r) for r in await connection.execute(text(sql))] for name, sql in RESULT.items()}


def told(messages: list[Message]) -> set[str]:
    return {f"{type(message).__name__} {message.subject_id}" for message in messages}


def write_statement(world: Undisturbed, folder: Path) -> None:
    Path(folder, "statement.json").write_bytes(msgspec.json.encode(world.statement.lines))


def published(folder: Path) -> list[Message]:
    """What a process published before it was killed."""
    path = Path(folder, "published")
    return [decode_envelope(value).open() for value in (path.read_bytes().splitlines() if path.exists() else ())]


@pytest.fixture
async def world(database: Any) -> Undisturbed:
    world = Undisturbed(database)
    await world.begin()
    return world


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("step", STEPS)
async def test_a_process_that_is_killed_at_a_step_is_continued_by_the_next(
    world: Undisturbed, tmp_path: Path, step: str, when: str
) -> None:
    write_statement(world, tmp_path)
    url = world.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    arguments = ("-m", "tests.support.clearing_process", url, world.now.isoformat(), step, when, str(tmp_path))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    assert await process.wait() == -signal.SIGKILL
    await world.is_continued(told(published(tmp_path)))


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("step", STEPS)
async def test_a_run_that_loses_postgres_at_a_step_is_continued(world: Undisturbed, step: str, when: str) -> None:
    async def is_cut_off(connection: AsyncConnection) -> None:
        await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with acting(step, when, is_cut_off), pytest.raises(DBAPIError):
        await world.look()
    await world.is_continued()


class Away(Publisher):
    """Kafka confirms so many publications, then none."""

    def __init__(self, publications: int) -> None:
        super().__init__()
        self.left = publications

    async def publish(self, outputs: Any) -> None:
        if not self.left:
            raise KafkaConnectionError("no broker")
        self.left -= 1
        await super().publish(outputs)


@pytest.mark.parametrize("publications", [0, 1])
async def test_a_run_that_loses_kafka_is_continued(world: Undisturbed, publications: int) -> None:
    kafka = Away(publications)
    with pytest.raises(KafkaConnectionError):
        await world.look(kafka)
    world.kafka.published += kafka.published
    await world.is_continued()


@pytest.mark.parametrize("pages", range(5))
async def test_a_run_that_loses_the_provider_at_a_page_is_continued(world: Undisturbed, pages: int) -> None:
    world.statement.breaks_after = pages
    await world.look()
    assert told(world.sent()) == set()
    world.statement.breaks_after = None
    await world.is_continued()
    read = world.statement.pages_read
    assert len(read) == len(set(read)), "no page is read twice"


async def test_a_run_that_sleeps_while_another_takes_its_place_writes_nothing(world: Undisturbed) -> None:
    """Its connection ends meanwhile, as that of a stopped process does, and its lock with it."""
    other: list[None] = []

    async def sleeps(connection: AsyncConnection) -> None:
        ((backend,),) = (await connection.execute(text("SELECT pg_backend_pid()"))).all()
        await world.rows(f"SELECT pg_terminate_backend({backend})")
        async with asyncio.timeout(10):
            while await world.rows(f"SELECT 1 FROM pg_stat_activity WHERE pid = {backend}"):
                await asyncio.sleep(0.02)
        other.append(await world.look())

    with acting("count", "before", sleeps), pytest.raises(DBAPIError):
        await world.look()
    assert other == [None]
    async with world.engine.connect() as connection:
        assert (await rows(connection), told(world.sent())) == world.result
