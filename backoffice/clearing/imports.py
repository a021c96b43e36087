"""Import a register by hand: a file of a day, checked as one that is downloaded, and staged as that day's statement."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from io import BufferedReader
from pathlib import Path
from typing import Final

import msgspec

from backoffice.operators import ActionRefused, InvalidArgument, Operator, recorded
from providers import registry
from providers.registers import (
    AT_REST,
    REGISTER,
    Explanation,
    RegisterMap,
    explain,
    load_map,
    pages_of,
    read_register,
)
from providers.settings import RegisterSettings
from providers.statements import Part, StatementUnavailable
from reconciliation.clearing.job import job_name
from reconciliation.clearing.reading import stage_pages, step
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import PostgresSettings
from storage import job_runs
from storage.clearing.staging import forget
from storage.processes.locks import Lock, writing

#: Bytes that :func:`explain_register` reads.
_HEAD: Final = 64 * 1024


class Checked(msgspec.Struct, frozen=True):
    """A register that is whole and fits its map. ``lines``: by kind; ``sums``: signed minor units by currency;
    ``elsewhere``: lines of other business days, which registers may hold."""

    sha256: str
    lines: dict[str, int]
    sums: dict[str, int]
    elsewhere: int


def explain_register(file: Path, provider: str, map: str | None) -> Explanation:
    """What the first rows of a register mean by a map: ``map``, or the provider's. Raises
    :class:`~backoffice.operators.InvalidArgument`."""
    read_by = _map_of(provider, map)
    with _opened(file) as opened:
        return explain(opened.read(_HEAD), read_by)


async def import_register(
    settings: PostgresSettings, operator: Operator, file: Path, provider: str, day: date, map: str | None
) -> Checked:
    """Check a register and stage it as the statement of ``day``; the next run takes it over and changes what it changes.
    Raises :class:`~backoffice.operators.InvalidArgument` for a provider or a map that there is not, and
    :class:`~backoffice.operators.ActionRefused` for a file that is not whole, has other columns or is of another day, and
    while a run is under way."""
    read_by = _map_of(provider, map)
    checked = await asyncio.to_thread(_check, file, read_by, provider, day)
    job = job_name(provider)
    async with (
        connected(settings) as engine,
        recorded(engine, operator, "import_statement", "job_run", f"{job}/{day}", sha256=checked.sha256) as record,
        writing(engine, Lock.CLEARING, provider) as connection,
    ):
        if connection is None:
            raise ActionRefused(f"a run of {provider} is under way")
        with _opened(file) as opened, closing(read_register(opened, read_by, is_proven=True)) as lines:
            async with step(connection):
                await forget(connection, provider, day)
            async for _ in stage_pages(connection, provider, Part(day, REGISTER), pages_of(lines, checked.sha256)):
                pass
        async with step(connection):
            await job_runs.reopen(connection, job, day)
            await record.complete(connection)
    return checked


def _check(file: Path, map: RegisterMap, provider: str, day: date) -> Checked:
    day_of = registry.read_settlements()[provider].day_of
    kinds: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    of_day = 0
    with _opened(file) as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        opened.seek(0)
        try:
            with closing(read_register(opened, map, is_proven=_is_proven(file, digest))) as lines:
                for line in lines:
                    kinds[line.kind] += 1
                    sums[line.currency] += line.amount
                    of_day += day_of(line.at) == day
        except StatementUnavailable as error:
            raise ActionRefused(f"{file.name}: {error.reason}") from error
    if kinds and not of_day:
        raise ActionRefused(f"{file.name}: none of its {kinds.total():,} lines is of {day}")
    return Checked(digest, dict(kinds), dict(sums), kinds.total() - of_day)


def _is_proven(file: Path, digest: str) -> bool:
    """Whether the file beside it says so, or nobody has written to it for a while."""
    stated = file.with_name(f"{file.name}.sha256")
    if stated.exists():
        words = stated.read_text("ascii", "replace").split()
        if not words or words[0].lower() != digest:
            raise StatementUnavailable("incomplete: the file is another than its sha256")
        return True
    return utc_now() - datetime.fromtimestamp(file.stat().st_mtime, UTC) >= AT_REST


def _map_of(provider: str, name: str | None) -> RegisterMap:
    settings = registry.read_settings().get(provider)
    if not isinstance(settings, RegisterSettings):
        reading = [known for known, given in registry.read_settings().items() if isinstance(given, RegisterSettings)]
        raise InvalidArgument(f"registers are the statements of {', '.join(sorted(reading))}, not of {provider}")
    try:
        return load_map(name or settings.map_name)
    except ValueError as error:
        raise InvalidArgument(str(error)) from error


@contextmanager
def _opened(file: Path) -> Iterator[BufferedReader]:
    try:
        opened = file.open("rb")
    except OSError as error:
        raise InvalidArgument(f"{file}: {error.strerror}") from error
    with opened:
        yield opened
