"""Delivery: positions in Kafka's topics, and messages that are set aside."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)

from storage.tables.definition import METADATA, TIME, required

STREAM_POSITIONS: Final = Table(
    "stream_positions",
    METADATA,
    Column("consumer", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    required("next_offset", BigInteger(), default="0"),
    required("published_offset", BigInteger(), default="0"),
    required("updated_at", TIME, default="now()"),
)
PARKED_CALLBACKS: Final = Table(
    "parked_callbacks",
    METADATA,
    Column("id", Text, primary_key=True),
    required("provider", Text()),
    required("body", LargeBinary()),
    required("received_at", TIME),
    required("tries", Integer(), default="0"),
    required("next_try_at", TIME),
    Column("stream_partition", Integer),
    Column("stream_offset", BigInteger),
    Index("parked_callbacks_due", "next_try_at"),
)
PARKED_MESSAGES: Final = Table(
    "parked_messages",
    METADATA,
    Column("topic", Text, primary_key=True),
    Column("stream_partition", Integer, primary_key=True, autoincrement=False),
    Column("stream_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("consumer", Text, primary_key=True),
    required("message_id", Text()),
    required("type", Text()),
    Column("key", LargeBinary),
    required("value", LargeBinary()),
    required("parked_at", TIME),
    Column("resolution", Text),
    Column("resolved_at", TIME),
    Index("parked_messages_open", "parked_at", postgresql_where=text("resolution IS NULL")),
    Index("parked_messages_id", "message_id"),
)
#: Of messages to payments and subscriptions: the letters themselves are in Kafka, where they are found by their place there.
DEAD_LETTERS: Final = Table(
    "dead_letters",
    METADATA,
    Column("dead_partition", Integer, primary_key=True, autoincrement=False),
    Column("dead_offset", BigInteger, primary_key=True, autoincrement=False),
    required("consumer", Text()),
    required("topic", Text()),
    required("stream_partition", Integer()),
    required("stream_offset", BigInteger()),
    Column("message_id", Text),
    required("cause", Text()),
    required("buried_at", TIME),
    Index("dead_letters_message", "message_id"),
)
DEAD_LETTER_RESOLUTIONS: Final = Table(
    "dead_letter_resolutions",
    METADATA,
    Column("dead_partition", Integer, primary_key=True, autoincrement=False),
    Column("dead_offset", BigInteger, primary_key=True, autoincrement=False),
    required("action", Text()),
    required("actor", Text()),
    Column("reason", Text),
    required("resolved_at", TIME),
)
