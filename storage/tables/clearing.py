"""Clearing: the providers' statements, and what differs from the books."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.definition import CURRENCY, METADATA, TIME, required

#: The provider's own record of a business day, a row a line. ``occurrence``: counts lines with one reference in a day,
#: from 1. ``amount``: signed minor units, positive where the provider owes us more. ``content``: a digest of what the line
#: says about money. ``earlier``: the amounts that it had before, oldest first. ``operation_id``: our operation that it is
#: about, found by ``matched_by``.
STATEMENT_LINES: Final = Table(
    "statement_lines",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("business_date", Date, primary_key=True),
    Column("line_ref", Text, primary_key=True),
    Column("occurrence", Integer, primary_key=True, autoincrement=False),
    required("kind", Text()),
    required("amount", BigInteger()),
    required("currency", CURRENCY),
    Column("settled", BigInteger),
    Column("settlement_currency", CURRENCY),
    Column("fee", BigInteger),
    Column("fee_tax", BigInteger),
    required("at", TIME),
    Column("available_on", Date),
    Column("own_id", Uuid),
    Column("order_ref", Text),
    Column("provider_ref", Text),
    Column("aliases", ARRAY(Text)),
    Column("payout_ref", Text),
    Column("method", Text),
    Column("status", Text),
    Column("raw_type", Text),
    required("test", Boolean()),
    required("content", Uuid()),
    Column("earlier", ARRAY(BigInteger)),
    Column("payment_id", Uuid),
    Column("operation_id", Uuid),
    Column("matched_by", Text),
    Column("withdrawn_at", TIME),
    Index("statement_lines_operation", "operation_id", postgresql_where=text("operation_id IS NOT NULL")),
    Index(
        "statement_lines_loose",
        "provider",
        "business_date",
        postgresql_where=text(
            "operation_id IS NULL"
            " AND kind IN ('charge', 'refund', 'refund_undone', 'chargeback', 'chargeback_undone', 'other')"
        ),
    ),
)
#: Lines that were read and are not taken over yet, in the order of the source.
STATEMENT_STAGING: Final = Table(
    "statement_staging",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("business_date", Date, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    *(
        Column(c.name, c.type, nullable=c.nullable)
        for c in STATEMENT_LINES.columns
        if c.name
        not in (
            "provider", "business_date", "occurrence", "earlier", "payment_id", "operation_id", "matched_by",
            "withdrawn_at",
        )
    ),
    prefixes=["UNLOGGED"],
)  # fmt: skip
#: How far each part of a day's statement is read. A crash of Postgres empties it together with the staged lines.
STATEMENT_PARTS: Final = Table(
    "statement_parts",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("business_date", Date, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("cursor", Text),
    required("lines", Integer()),
    Column("read_at", TIME),
    prefixes=["UNLOGGED"],
)
#: What the lines of a business day add up to, in signed minor units; the columns are those of
#: :class:`billing.clearing.settlement.Total`.
STATEMENT_TOTALS: Final = Table(
    "statement_totals",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("business_date", Date, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("currency", CURRENCY, primary_key=True),
    Column("settlement_currency", CURRENCY, primary_key=True),
    required("lines", Integer()),
    required("amount", BigInteger()),
    required("settled", BigInteger()),
    required("fee", BigInteger()),
    required("fee_tax", BigInteger()),
)
#: ``subject``: ``operation:ID``, ``line:DATE:REF#N`` or ``day:DATE``; the id follows from it and the provider. ``ours``,
#: ``theirs``: signed minor units. ``posted_version``: the version that the ledger has.
DISCREPANCIES: Final = Table(
    "discrepancies",
    METADATA,
    Column("id", Uuid, primary_key=True),
    required("provider", Text()),
    required("subject", Text()),
    required("kind", Text()),
    required("severity", Text()),
    required("state", Text()),
    required("business_date", Date()),
    Column("payment_id", Uuid),
    Column("operation_id", Uuid),
    Column("currency", CURRENCY),
    Column("ours", BigInteger),
    Column("theirs", BigInteger),
    required("detail", JSONB(), default="'{}'"),
    Column("owner", Text),
    Column("due_at", TIME),
    required("asked", Integer(), default="0"),
    Column("asked_for", Date),
    Column("resolution", Text),
    Column("confirm_by", Date),
    required("version", Integer()),
    required("opened_at", TIME),
    required("updated_at", TIME),
    Column("closed_at", TIME),
    Column("posted_version", Integer),
    Index("discrepancies_open", "provider", "business_date", postgresql_where=text("state <> 'CLOSED'")),
    Index("discrepancies_day", "business_date", "provider"),
    Index("discrepancies_payment", "payment_id", postgresql_where=text("payment_id IS NOT NULL")),
    Index("discrepancies_unposted", "provider", postgresql_where=text("posted_version IS DISTINCT FROM version")),
)
#: What happened to a discrepancy, never changed.
DISCREPANCY_EVENTS: Final = Table(
    "discrepancy_events",
    METADATA,
    Column("discrepancy_id", Uuid, ForeignKey("discrepancies.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    required("at", TIME),
    required("actor", Text()),
    required("event", Text()),
    required("kind", Text()),
    required("state", Text()),
    Column("reason", Text),
    required("evidence", JSONB(), default="'{}'"),
)
#: What clearing tells others, each version of each subject. ``key``: in Kafka.
CLEARING_EVENTS: Final = Table(
    "clearing_events",
    METADATA,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    required("id", Uuid()),
    required("version", Integer()),
    required("type", Text()),
    required("key", Text()),
    required("body", JSONB()),
    Column("published_at", TIME),
    UniqueConstraint("id", "version"),
    Index("clearing_events_unpublished", "number", postgresql_where=text("published_at IS NULL")),
)
