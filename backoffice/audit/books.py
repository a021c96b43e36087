"""Postgres against itself: ledger, payments, operations and journal must tell the same story."""

from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.audit.findings import Findings
from storage.inspection import books as sql


async def check_books(connection: AsyncConnection, findings: Findings) -> None:
    """Every query of :data:`storage.inspection.books.BOOKS`, on the state of one moment."""
    findings.checked.update(await sql.counts(connection))
    for kind in sql.BOOKS:
        for id, detail in await sql.broken(connection, kind):
            findings.found(kind, id, detail)
