"""The steps of a clearing run, so that a test can act between them; and a process that is killed there:
``python -m tests.support.clearing_process POSTGRES_URL NOW STEP WHEN FOLDER``. ``FOLDER`` has the statement
(``statement.json``) and gets what was published (``published``)."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from providers.statements import StatementLine
from reconciliation.clearing import reading, run
from reconciliation.clearing.job import ClearingJob
from reconciliation.metrics import Metrics
from runtime.kafka.publisher import OutboundMessage
from runtime.postgres import create_engine
from runtime.settings import Settings
from storage import job_runs
from storage.clearing import discrepancies, lines
from tests.support.clearing import Statement
from tests.support.factories import PROVIDER

#: Every step of a run, in order, and the function that it is. Each takes the run's connection first.
STEPS: dict[str, tuple[ModuleType, str]] = {
    "read": (run, "read_statement"),
    "stage a page": (reading, "stage"),
    "take over": (lines, "take"),
    "forget what was staged": (run, "forget"),
    "join": (lines, "join"),
    "bind a chargeback": (lines, "bind"),
    "count": (run, "our_movements"),
    "record": (discrepancies, "record"),
    "find chargebacks to tell": (lines, "unbooked_chargebacks"),
    "ask": (discrepancies, "ask"),
    "post the statement": (run, "post_statement"),
    "post discrepancies": (run, "post_discrepancies"),
    "finish": (job_runs, "finish_date"),
}
WHEN = ("before", "after")


@contextmanager
def acting(step: str, when: str, act: Callable[[Any], Awaitable[None]]) -> Iterator[None]:
    """Act on the run's connection at a step, the first time that it comes."""
    module, name = STEPS[step]
    original, acted = getattr(module, name), False

    async def acts(connection: Any) -> None:
        nonlocal acted
        if not acted:
            acted = True
            await act(connection)

    async def stepped(connection: Any, *arguments: Any, **options: Any) -> Any:
        if when == "before":
            await acts(connection)
        result = await original(connection, *arguments, **options)
        if when == "after":
            await acts(connection)
        return result

    setattr(module, name, stepped)
    try:
        yield
    finally:
        setattr(module, name, original)
    assert acted, "the run has this step"


class Kept:
    """Kafka as a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def publish(self, messages: Sequence[OutboundMessage]) -> None:
        with self._path.open("ab") as file:
            for message in messages:
                file.write(bytes(message.value) + b"\n")


async def _killed(_connection: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, now: str, step: str, when: str, folder: str) -> None:
    """Look once, and be killed."""
    statement = Statement()
    statement.lines = msgspec.json.decode(
        Path(folder, "statement.json").read_bytes(), type=dict[date, list[StatementLine]]
    )
    asyncio.run(_look(url, now, step, when, statement, Kept(Path(folder, "published"))))


async def _look(url: str, now: str, step: str, when: str, statement: Any, publisher: Any) -> None:
    engine = create_engine(Settings(postgres_url=url))
    job = ClearingJob(engine, publisher, {PROVIDER: statement}, Metrics(), now=lambda: datetime.fromisoformat(now))
    with acting(step, when, _killed):
        await job.look()


if __name__ == "__main__":
    main(*sys.argv[1:])
