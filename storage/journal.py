"""The journal: every message processed and what followed, in the order of the stream."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_OUTPUTS = text(
    """
    SELECT outputs::text FROM journal
    WHERE stream_partition = :partition AND stream_offset >= :start AND stream_offset < :until
    ORDER BY stream_offset
    """
)


async def outputs(connection: AsyncConnection, partition: int, start: int, until: int) -> list[str]:
    """The encoded outputs of the messages from offset ``start`` up to, not including, ``until``."""
    rows = await connection.execute(_OUTPUTS, {"partition": partition, "start": start, "until": until})
    return [row[0] for row in rows]
