"""A register that somebody has as a file."""

import hashlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.clearing.imports import Checked, import_register
from backoffice.operators import ActionRefused, InvalidArgument, Operator
from providers.registers import REGISTER
from providers.statements import Part, StatementPage, StatementUnavailable
from reconciliation.clearing.job import ClearingJob, job_name
from reconciliation.clearing.run import Outcome, Ran
from reconciliation.metrics import Metrics
from runtime.settings import Settings
from storage import job_runs
from storage.processes.locks import Lock, writing
from tests.support.clearing import DAY, SETTLEMENT, Cleared
from tests.support.factories import NOW, PROVIDER

ANN: Final = Operator("ann", "the console's register")
HEADER: Final = "type,operation_id,order_id,merchant_operation_id,amount,fee,currency,time"


class Nowhere:
    """A provider whose registers nobody has copied to their address."""

    capabilities: Any = None

    def parts(self, day: date) -> Sequence[Part]:
        return [Part(day, REGISTER)]

    async def pages(self, _part: Part, _after: str | None = None) -> AsyncIterator[StatementPage]:
        raise StatementUnavailable("http_404")
        yield


@pytest.fixture
async def world(database: AsyncEngine) -> Cleared:
    world = Cleared(database)
    provider: Any = Nowhere()
    provider.capabilities = world.statement.capabilities
    world.statement = provider
    world.now = SETTLEMENT.business_day(DAY)[1] + SETTLEMENT.ready_after
    return world


def a_job(world: Cleared) -> ClearingJob:
    providers: Mapping[str, Any] = {PROVIDER: world.statement}
    kafka: Any = world.kafka
    return ClearingJob(world.engine, kafka, providers, Metrics(), now=lambda: world.now)


def a_register(folder: Path, *payments: Any, at: Any = NOW, minutes: int = 10, end: str = "\n") -> Path:
    """A file with a line for each payment, last written to ``minutes`` ago."""
    rows = [
        f"CAPTURE,{p.id},,{p.charge.id},{p.captured // 100}.{p.captured % 100:02},,RUB,{at.isoformat()}"
        for p in payments
    ]
    file = folder / "register.csv"
    file.write_text("\n".join((HEADER, *rows)) + end)
    written = file.stat().st_mtime - minutes * 60
    os.utime(file, (written, written))
    return file


async def imported(world: Cleared, file: Path, day: date = DAY) -> Checked:
    url = world.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await import_register(Settings(postgres_url=url), ANN, file, PROVIDER, day, None)


async def looked(world: Cleared) -> Ran:
    (ran,) = await a_job(world).look()
    return ran


async def test_a_day_is_cleared_by_an_imported_register(world: Cleared, tmp_path: Path) -> None:
    payments = await world.paid(3)
    assert (await looked(world)).outcome is Outcome.WAITING
    file = a_register(tmp_path, *payments)
    checked = await imported(world, file)
    assert (checked.lines, checked.elsewhere) == ({"charge": 3}, 0)
    assert checked.sums == {"RUB": sum(p.captured for p in payments)}
    ran = await looked(world)
    assert (ran.outcome, ran.lines, ran.movements, ran.found) == (Outcome.DONE, 3, 3, {})
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert await world.rows("SELECT actor, action, outcome, details ->> 'sha256' FROM operator_actions") == [
        ("ann", "import_statement", "done", digest)
    ]


async def test_the_same_register_again_changes_nothing_and_another_one_what_it_says(
    world: Cleared, tmp_path: Path
) -> None:
    payments = await world.paid(2)
    await imported(world, a_register(tmp_path, *payments))
    assert (await looked(world)).taken.new == 2
    await imported(world, a_register(tmp_path, *payments))
    again = (await looked(world)).taken
    assert (again.new, again.changed, again.withdrawn) == (0, 0, 0)
    await imported(world, a_register(tmp_path, payments[0]))
    ran = await looked(world)
    assert (ran.taken.withdrawn, ran.found) == (1, {"line_withdrawn": 1})


async def test_an_imported_day_that_runs_again_keeps_its_lines(world: Cleared, tmp_path: Path) -> None:
    await imported(world, a_register(tmp_path, *await world.paid(2)))
    await looked(world)
    async with world.engine.begin() as connection:
        await job_runs.reopen(connection, job_name(PROVIDER), DAY)
    world.now += SETTLEMENT.absent_after
    ran = next(ran for ran in await a_job(world).look() if ran.day == DAY)
    assert (ran.outcome, ran.lines, ran.found) == (Outcome.DONE, 2, {})
    assert await world.discrepancies() == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"end": ""}, "the last row does not end"),
        ({"end": "\nCAPTURE,1,"}, "incomplete"),
        ({"minutes": 1}, "nothing shows that the file is whole"),
        ({"at": NOW - timedelta(days=1)}, f"none of its 1 lines is of {DAY}"),
    ],
)
async def test_a_register_that_is_not_whole_or_of_another_day_is_refused(
    world: Cleared, tmp_path: Path, options: Any, reason: str
) -> None:
    file = a_register(tmp_path, *await world.paid(1), **options)
    with pytest.raises(ActionRefused, match=reason):
        await imported(world, file)
    assert await world.rows("SELECT (SELECT count(*) FROM job_runs), (SELECT count(*) FROM statement_staging)") == [
        (0, 0)
    ]


async def test_a_digest_beside_the_file_proves_it_or_refuses_it(world: Cleared, tmp_path: Path) -> None:
    file = a_register(tmp_path, *await world.paid(1), minutes=0)
    stated = file.with_name("register.csv.sha256")
    stated.write_text(f"{'0' * 64}  register.csv\n")
    with pytest.raises(ActionRefused, match="another than its sha256"):
        await imported(world, file)
    stated.write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  register.csv\n")
    assert (await imported(world, file)).lines == {"charge": 1}


async def test_nothing_is_imported_while_a_run_is_under_way(world: Cleared, tmp_path: Path) -> None:
    file = a_register(tmp_path, *await world.paid(1))
    async with writing(world.engine, Lock.CLEARING, PROVIDER) as connection:
        assert connection is not None
        with pytest.raises(ActionRefused, match="under way"):
            await imported(world, file)


async def test_a_provider_with_lists_has_no_registers(world: Cleared, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="not of stripe"):
        await import_register(Settings(), ANN, tmp_path / "x.csv", "stripe", DAY, None)
