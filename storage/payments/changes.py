"""The changes of one payment as they were published."""

from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages import PaymentChanged, decode_envelope

_CHANGES = text(
    """
    SELECT outputs::text FROM journal
    WHERE payment_id = :id AND version > :after ORDER BY version, stream_offset LIMIT :limit
    """
)


class _Output(msgspec.Struct):
    value: msgspec.Raw


async def changes_after(
    connection: AsyncConnection, payment_id: UUID, version: int, limit: int
) -> list[PaymentChanged]:
    """The next changes after ``version``, at most ``limit`` and in order; empty when there are none."""
    rows = await connection.execute(_CHANGES, {"id": payment_id, "after": version, "limit": limit})
    outputs = [output for row in rows for output in msgspec.json.decode(row[0], type=list[_Output])]
    messages = [decode_envelope(bytes(output.value)).open() for output in outputs]
    return [message for message in messages if isinstance(message, PaymentChanged) and message.version > version]
