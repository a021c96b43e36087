"""Which messages to payments and subscriptions became dead letters, and where the letters are. The letters are in Kafka;
the entry is made in the transaction that moves the position past the message."""

from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import DEAD_LETTERS, columns

#: Characters of a message's id that are kept: ours are UUIDs, and an index bounds its entries.
_ID_MAX: Final = 200
_ADD = text(
    f"INSERT INTO dead_letters ({columns(DEAD_LETTERS)}) VALUES ({columns(DEAD_LETTERS, prefix=':')})"  # noqa: S608
    " ON CONFLICT DO NOTHING"
)


class DeadLetter(msgspec.Struct, frozen=True):
    """A letter: its place in ``billing.dead-letters``, which consumer could not process which message, the message's id
    (``None`` where it could not be read), the error, masked, and when (UTC)."""

    dead_partition: int
    dead_offset: int
    consumer: str
    topic: str
    stream_partition: int
    stream_offset: int
    message_id: str | None
    cause: str
    buried_at: datetime


async def add(connection: AsyncConnection, letter: DeadLetter) -> None:
    """Record a letter in the caller's transaction. Whatever its texts hold, Postgres takes them."""
    id = None if letter.message_id is None else _storable(letter.message_id)[:_ID_MAX]
    await connection.execute(
        _ADD, msgspec.structs.asdict(letter) | {"message_id": id, "cause": _storable(letter.cause)}
    )


def _storable(words: str) -> str:
    """Without U+0000 and halves of surrogate pairs, which Postgres refuses."""
    return words.encode(errors="replace").decode().replace("\0", "")
