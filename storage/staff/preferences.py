"""In which language and time zone people read the panel."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PREFER = text("UPDATE staff SET language = :language, zone = :zone WHERE id = :id")


async def prefer(connection: AsyncConnection, id: UUID, language: str | None, zone: str | None) -> None:
    """Keep what the person has chosen. ``language``: its code; ``zone``: its IANA name; ``None``: no choice."""
    await connection.execute(_PREFER, {"id": id, "language": language, "zone": zone})
