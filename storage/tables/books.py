"""The books: the ledger's accounts and entries, its days."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

from storage.tables.definition import CURRENCY, METADATA, TIME, required

LEDGER_ACCOUNTS: Final = Table(
    "ledger_accounts",
    METADATA,
    Column("code", Text, primary_key=True),
    required("kind", Text()),
    Column("provider", Text),
)
#: Rows without ``cause_kind`` and ``cause_id`` were written by release 0006, each for its operation. A trigger fills
#: ``source`` and ``accounting_date``; rows without the date are older than the books' first day.
LEDGER_ENTRIES: Final = Table(
    "ledger_entries",
    METADATA,
    Column("posting_id", Uuid, primary_key=True),
    Column("line", SmallInteger, primary_key=True, autoincrement=False),
    required("account", Text(), ForeignKey("ledger_accounts.code")),
    required("amount", BigInteger()),
    required("currency", CURRENCY),
    Column("payment_id", Uuid, ForeignKey("payments.id")),
    Column("operation_id", Uuid, ForeignKey("operations.id")),
    required("posted_at", TIME),
    Column("cause_kind", Text),
    Column("cause_id", Text),
    Column("source", Text, server_default=text("'payment'")),
    Column("accounting_date", Date),
    Column("corrects_date", Date),
    Index("ledger_entries_account", "account", "posted_at"),
    Index("ledger_entries_operation", "operation_id"),
    Index("ledger_entries_dated", "accounting_date", postgresql_using="brin"),
    Index("ledger_entries_cause", "cause_id", "cause_kind", postgresql_where=text("source = 'clearing'")),
)
#: One row. ``zone``: whose dates the books use; ``begun_at``: since when entries have dates.
ACCOUNTING_PERIOD: Final = Table(
    "accounting_period",
    METADATA,
    Column("one_row", Boolean, primary_key=True, server_default=text("true")),
    required("zone", Text()),
    required("first_open", Date()),
    required("begun_at", TIME),
)
#: ``content``: the day's trial balance and who closed it, as the very bytes that ``hash`` covers, behind ``prev_hash``.
CLOSED_DAYS: Final = Table(
    "closed_days",
    METADATA,
    Column("accounting_date", Date, primary_key=True),
    required("content", JSON()),
    Column("prev_hash", LargeBinary),
    required("hash", LargeBinary()),
    UniqueConstraint("hash"),
)
