"""The journal's monthly partitions: coming months are created ahead, old months are detached."""

from datetime import date
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: Months created ahead: rows of a quarter without `billing migrate` still go to their own partitions.
AHEAD: Final = 3

_PARTITIONS = text(
    """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'journal'::regclass ORDER BY c.relname
    """
)
#: Serialises changes of the partitions (a Postgres advisory lock).
PARTITIONS_LOCK: Final = 0x6A6F7572


def month_after(day: date, months: int = 1) -> date:
    """The first day of the month ``months`` months after that of ``day``."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def name_of(month: date) -> str:
    """The name of a month's partition."""
    return f"journal_{month:%Y_%m}"


async def partitions(connection: AsyncConnection) -> list[str]:
    """The names of the attached partitions, in order."""
    return [row[0] for row in await connection.execute(_PARTITIONS)]


async def create_partitions(connection: AsyncConnection, today: date, ahead: int = AHEAD) -> list[str]:
    """Create the missing partitions of this month and the ``ahead`` next ones; returns their names.

    A month whose rows are already in the default partition gets no partition: its rows stay there.
    """
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PARTITIONS_LOCK})
    existing, made = set(await partitions(connection)), []
    for months in range(ahead + 1):
        month, following = month_after(today, months), month_after(today, months + 1)
        name = name_of(month)
        in_default = text(
            f"SELECT EXISTS (SELECT FROM journal_default WHERE recorded_at >= '{month}' AND recorded_at < '{following}')"  # noqa: S608
        )
        if name in existing or (await connection.execute(in_default)).scalar_one():
            continue
        await connection.execute(
            text(f"CREATE TABLE {name} PARTITION OF journal FOR VALUES FROM ('{month}') TO ('{following}')")
        )
        made.append(name)
    return made


async def detach_partitions(connection: AsyncConnection, before: date) -> list[str]:
    """Detach the partitions of months that ended before ``before``; returns their names. They stay as separate tables,
    to be archived and dropped by an operator."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PARTITIONS_LOCK})
    limit = name_of(before)
    old = [name for name in await partitions(connection) if name != "journal_default" and name < limit]
    for name in old:
        await connection.execute(text(f"ALTER TABLE journal DETACH PARTITION {name}"))
    return old
