"""What people ask for: their actions, requests for a second person, bulk refunds."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.definition import CURRENCY, METADATA, TIME, required

#: What a second person has to approve: commands to payments and subscriptions, bulk jobs, write-offs and acceptances of discrepancies. A
#: trigger lets only the decision be added, once.
APPROVALS: Final = Table(
    "approvals",
    METADATA,
    Column("id", Uuid, primary_key=True),
    required("action", Text()),
    Column("payment_id", Uuid, ForeignKey("payments.id")),
    Column("payment_version", Integer),
    required("type", Text()),
    required("command", LargeBinary()),
    required("preview", LargeBinary()),
    Column("amount", BigInteger),
    Column("currency", CURRENCY),
    required("cause", Text()),
    required("requested_by", Text()),
    required("reason", Text()),
    required("requested_at", TIME),
    required("expires_at", TIME),
    Column("decided_by", Text),
    Column("decided_at", TIME),
    Column("decision", Text),
    Column("decision_reason", Text),
    Column("sent_at", TIME),
    Column("bulk_job", Uuid),
    Column("subscription_id", Uuid),
    Column("discrepancy_id", Uuid),
    Index("approvals_open", "requested_at", postgresql_where=text("sent_at IS NULL")),
    Index("approvals_payment", "payment_id"),
    Index("approvals_subscription", "subscription_id", postgresql_where=text("subscription_id IS NOT NULL")),
    Index("approvals_discrepancy", "discrepancy_id", postgresql_where=text("discrepancy_id IS NOT NULL")),
)
#: Files of refunds. ``approval``: the latest request for one.
BULK_JOBS: Final = Table(
    "bulk_jobs",
    METADATA,
    Column("id", Uuid, primary_key=True),
    required("file_name", Text()),
    required("file_hash", LargeBinary()),
    required("reason", Text()),
    required("rows", Integer()),
    required("state", Text()),
    required("version", Integer()),
    Column("approval", Uuid),
    required("created_by", Text()),
    required("created_at", TIME),
    required("changed_by", Text()),
    required("changed_at", TIME),
    Column("started_at", TIME),
    Column("ended_at", TIME),
    Index("bulk_jobs_newest", text("created_at DESC"), text("id DESC")),
    Index(
        "bulk_jobs_file",
        "file_hash",
        unique=True,
        postgresql_where=text("state <> 'stopped' OR started_at IS NOT NULL"),
    ),
)
#: Their lines. ``number``: of the line; ``typed``: the amount as it was written. A trigger keeps what the file says, and
#: what the dry run found once it is over.
BULK_ROWS: Final = Table(
    "bulk_rows",
    METADATA,
    Column("job", Uuid, ForeignKey("bulk_jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("operation_id", Uuid, nullable=False, unique=True),
    Column("payment_id", Uuid),
    required("typed", Text()),
    required("reason", Text()),
    required("state", Text()),
    Column("payment_version", Integer),
    Column("amount", BigInteger),
    Column("currency", CURRENCY),
    Column("code", Text),
    Column("detail", Text),
    Column("sent_at", TIME),
    Column("due_at", TIME),
    Column("letter", Text),
    Index("bulk_rows_payment", "payment_id", postgresql_where=text("state IN ('waiting', 'sent')")),
    Index("bulk_rows_next", "job", "state", "number"),
    Index("bulk_rows_due", "due_at", postgresql_where=text("state = 'sent'")),
    Index("bulk_rows_dead", "due_at", postgresql_where=text("code = 'dead_letter'")),
)
OPERATOR_ACTIONS: Final = Table(
    "operator_actions",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    required("at", TIME),
    required("actor", Text()),
    required("action", Text()),
    required("reason", Text()),
    required("subject_kind", Text()),
    required("subject_id", Text()),
    required("details", JSONB(), default="'{}'"),
    required("outcome", Text()),
    Index("operator_actions_subject", "subject_kind", "subject_id", text("id DESC")),
)
#: Notes of people about a customer, never changed.
CUSTOMER_NOTES: Final = Table(
    "customer_notes",
    METADATA,
    Column("id", Uuid, primary_key=True),
    required("customer_id", Text()),
    required("at", TIME),
    required("author", Text()),
    required("text", Text()),
    Index("customer_notes_of", "customer_id", text("at DESC"), "id"),
)
