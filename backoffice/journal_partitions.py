"""Upkeep of the journal's monthly partitions."""

from datetime import date

from runtime.postgres import connected
from runtime.settings import PostgresSettings
from storage.journal import partitions


async def create_partitions(settings: PostgresSettings, today: date, ahead: int) -> list[str]:
    """Create this month's partition and the ``ahead`` following ones where they are missing; returns their names."""
    async with connected(settings) as engine, engine.begin() as connection:
        return await partitions.create_partitions(connection, today, ahead)


async def detach_partitions(settings: PostgresSettings, today: date, keep_months: int) -> list[str]:
    """Detach the partitions older than this month and the ``keep_months`` before it; returns their names. They stay
    as tables, to be archived and dropped by hand."""
    async with connected(settings) as engine, engine.begin() as connection:
        before = partitions.month_after(today, -keep_months)
        return await partitions.detach_partitions(connection, before)
