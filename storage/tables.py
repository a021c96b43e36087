"""Every table of the Postgres schema, declared once. Statements take their column lists from here, by name.

The migrations make the schema; a test compares both. A statement that names its columns leaves alone those that a later
release adds: they keep their defaults.
"""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import CHAR, JSON, JSONB
from sqlalchemy.types import TypeEngine

METADATA: Final = MetaData()
_TIME: Final = DateTime(timezone=True)
_CURRENCY: Final = CHAR(3)


def _required(name: str, type_: TypeEngine[Any], *rest: ForeignKey, default: str | None = None) -> Column[Any]:
    return Column(name, type_, *rest, nullable=False, server_default=None if default is None else text(default))


ORDERS: Final = Table(
    "orders",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("customer_id", Text()),
    _required("currency", _CURRENCY),
    _required("amount", BigInteger()),
    Column("return_urls", JSONB),
    Column("contact", JSONB),
    _required("metadata", JSONB(), default="'{}'"),
    _required("created_at", _TIME),
    Column("subscription", JSONB),
    Index("orders_customer", "customer_id", "created_at"),
    Index(
        "orders_metadata",
        "metadata",
        postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
        postgresql_where=text("metadata <> '{}'"),
    ),
)

CART_ITEMS: Final = Table(
    "cart_items",
    METADATA,
    Column("order_id", Uuid, ForeignKey("orders.id"), primary_key=True),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),
    _required("product_id", Text()),
    _required("title", Text()),
    _required("quantity", Integer()),
    _required("unit_price", BigInteger()),
    _required("type", Text()),
    _required("tax", Text()),
    _required("subject", SmallInteger()),
    _required("method", SmallInteger()),
    _required("measure", SmallInteger()),
)

PAYMENTS: Final = Table(
    "payments",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("client_id", Text()),
    _required("fingerprint", Text()),
    _required("order_id", Uuid(), ForeignKey("orders.id")),
    _required("provider", Text()),
    _required("capture_mode", Text()),
    _required("status", Text()),
    _required("version", Integer()),
    _required("order_ref", Text()),
    _required("currency", _CURRENCY),
    _required("amount", BigInteger()),
    _required("authorized", BigInteger()),
    _required("captured", BigInteger()),
    _required("refunded", BigInteger()),
    _required("refund_pending", BigInteger()),
    Column("payment_url", Text),
    Column("reason", Text),
    _required("hold_s", Integer()),
    _required("save_method", Boolean()),
    Column("saved_method", Text),
    Column("method_ref", Text),
    _required("created_at", _TIME),
    _required("updated_at", _TIME),
    _required("expires_at", _TIME),
    _required("alternatives", ARRAY(Text), default="'{}'"),
    Column("contradiction", Text),
    Column("method_title", Text),
    Column("method_expires", Text),
    Column("not_after", _TIME),
    Column("withdrawn", Text),
    Column("charged_back", BigInteger, server_default=text("0")),
    Column("refunds_blocked", Boolean, server_default=text("false")),
    Column("method_last4", Text),
    UniqueConstraint("order_id"),
    Index(
        "payments_unfinished",
        "provider",
        "status",
        "created_at",
        postgresql_where=text("status IN ('PENDING', 'AUTHORIZED')"),
    ),
    Index("payments_contradicted", "provider", postgresql_where=text("contradiction IS NOT NULL")),
    Index("payments_newest", text("created_at DESC"), text("id DESC")),
    Index(
        "payments_open",
        text("created_at DESC"),
        text("id DESC"),
        postgresql_where=text("status IN ('PENDING', 'AUTHORIZED')"),
    ),
    Index("payments_amount", "amount", text("created_at DESC"), text("id DESC")),
    Index(
        "payments_last4",
        "method_last4",
        text("created_at DESC"),
        text("id DESC"),
        postgresql_where=text("method_last4 IS NOT NULL"),
    ),
    Index("payments_list", "client_id", text("created_at DESC"), text("id DESC")),
    Index("payments_list_status", "client_id", "status", text("created_at DESC"), text("id DESC")),
)

OPERATIONS: Final = Table(
    "operations",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("payment_id", Uuid(), ForeignKey("payments.id")),
    _required("type", Text()),
    _required("action", Text()),
    _required("status", Text()),
    _required("amount", BigInteger()),
    _required("provider", Text()),
    Column("provider_ref", Text),
    Column("outcome", Text),
    Column("reason", Text),
    _required("chases", Integer()),
    Column("next_chase_at", _TIME),
    Column("cart", JSONB),
    _required("corrections", ARRAY(Uuid)),
    _required("version", Integer()),
    _required("created_at", _TIME),
    _required("updated_at", _TIME),
    Column("fingerprint", Text),
    Column("provider_reason", JSONB),
    Column("answered", Integer),
    Column("retry_after_s", Integer),
    Column("asked_at", _TIME),
    Column("learnt_by", Text),
    Column("occurred_at", _TIME),
    Index("operations_payment", "payment_id"),
    Index("operations_chase", "next_chase_at", postgresql_where=text("next_chase_at IS NOT NULL")),
    Index(
        "operations_provider_ref",
        "provider_ref",
        postgresql_where=text("provider_ref IS DISTINCT FROM id::text"),
    ),
    Index(
        "operations_not_told",
        "provider",
        text("COALESCE(occurred_at, created_at)"),
        postgresql_where=text("learnt_by IN ('inquiry', 'statement', 'operator')"),
    ),
)

#: Further ids by which providers refer to a payment's order, its charges and refunds.
PROVIDER_ALIASES: Final = Table(
    "provider_aliases",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    _required("payment_id", Uuid(), ForeignKey("payments.id")),
    _required("learnt_at", _TIME),
)

#: Partitioned by month of ``recorded_at``. ``payment_id`` is the id of the message's subject, whatever its topic.
JOURNAL: Final = Table(
    "journal",
    METADATA,
    _required("recorded_at", _TIME),
    _required("stream_partition", Integer()),
    _required("stream_offset", BigInteger()),
    _required("payment_id", Uuid()),
    Column("version", Integer),
    _required("message_id", Text()),
    _required("type", Text()),
    Column("actor", Text),
    _required("message", JSONB()),
    _required("outputs", JSONB()),
    _required("topic", Text(), default="'billing.payments.inbox'"),
    Column("refusal", JSONB),
    Column("rules", SmallInteger),
    Index("journal_payment", "payment_id"),
    Index("journal_position", "stream_partition", "stream_offset", "topic", "recorded_at", unique=True),
    postgresql_partition_by="RANGE (recorded_at)",
)

#: Methods that customers let us charge again. A row is never deleted: the gate before a charge finds the removed ones
#: here. ``status_by``: who changed the status; ``expires_on``: the last day of the method.
SAVED_METHODS: Final = Table(
    "saved_methods",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("client_id", Text()),
    _required("customer_id", Text()),
    _required("provider", Text()),
    _required("method_ref", Text()),
    Column("title", Text),
    Column("expires_on", Date),
    _required("status", Text()),
    _required("status_at", _TIME),
    _required("status_by", Text()),
    Column("reason", Text),
    _required("created_at", _TIME),
    UniqueConstraint("provider", "method_ref", "customer_id"),
    Index("saved_methods_customer", "client_id", "customer_id", "created_at"),
    Index("saved_methods_person", "customer_id", text("created_at DESC"), text("id DESC")),
)

LEDGER_ACCOUNTS: Final = Table(
    "ledger_accounts",
    METADATA,
    Column("code", Text, primary_key=True),
    _required("kind", Text()),
    Column("provider", Text),
)

#: Rows without ``cause_kind`` and ``cause_id`` were written by release 0006, each for its operation. A trigger fills
#: ``source`` and ``accounting_date``; rows without the date are older than the books' first day.
LEDGER_ENTRIES: Final = Table(
    "ledger_entries",
    METADATA,
    Column("posting_id", Uuid, primary_key=True),
    Column("line", SmallInteger, primary_key=True, autoincrement=False),
    _required("account", Text(), ForeignKey("ledger_accounts.code")),
    _required("amount", BigInteger()),
    _required("currency", _CURRENCY),
    Column("payment_id", Uuid, ForeignKey("payments.id")),
    Column("operation_id", Uuid, ForeignKey("operations.id")),
    _required("posted_at", _TIME),
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
    _required("zone", Text()),
    _required("first_open", Date()),
    _required("begun_at", _TIME),
)

#: ``content``: the day's trial balance and who closed it, as the very bytes that ``hash`` covers, behind ``prev_hash``.
CLOSED_DAYS: Final = Table(
    "closed_days",
    METADATA,
    Column("accounting_date", Date, primary_key=True),
    _required("content", JSON()),
    Column("prev_hash", LargeBinary),
    _required("hash", LargeBinary()),
    UniqueConstraint("hash"),
)

STREAM_POSITIONS: Final = Table(
    "stream_positions",
    METADATA,
    Column("consumer", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    _required("next_offset", BigInteger(), default="0"),
    _required("published_offset", BigInteger(), default="0"),
    _required("updated_at", _TIME, default="now()"),
)

PARKED_CALLBACKS: Final = Table(
    "parked_callbacks",
    METADATA,
    Column("id", Text, primary_key=True),
    _required("provider", Text()),
    _required("body", LargeBinary()),
    _required("received_at", _TIME),
    _required("tries", Integer(), default="0"),
    _required("next_try_at", _TIME),
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
    _required("message_id", Text()),
    _required("type", Text()),
    Column("key", LargeBinary),
    _required("value", LargeBinary()),
    _required("parked_at", _TIME),
    Column("resolution", Text),
    Column("resolved_at", _TIME),
    Index("parked_messages_open", "parked_at", postgresql_where=text("resolution IS NULL")),
    Index("parked_messages_id", "message_id"),
)

#: Of messages to payments and subscriptions: the letters themselves are in Kafka, where they are found by their place there.
DEAD_LETTERS: Final = Table(
    "dead_letters",
    METADATA,
    Column("dead_partition", Integer, primary_key=True, autoincrement=False),
    Column("dead_offset", BigInteger, primary_key=True, autoincrement=False),
    _required("consumer", Text()),
    _required("topic", Text()),
    _required("stream_partition", Integer()),
    _required("stream_offset", BigInteger()),
    Column("message_id", Text),
    _required("cause", Text()),
    _required("buried_at", _TIME),
    Index("dead_letters_message", "message_id"),
)

DEAD_LETTER_RESOLUTIONS: Final = Table(
    "dead_letter_resolutions",
    METADATA,
    Column("dead_partition", Integer, primary_key=True, autoincrement=False),
    Column("dead_offset", BigInteger, primary_key=True, autoincrement=False),
    _required("action", Text()),
    _required("actor", Text()),
    Column("reason", Text),
    _required("resolved_at", _TIME),
)

#: What a second person has to approve: commands to payments and subscriptions, bulk jobs, write-offs and acceptances of discrepancies. A
#: trigger lets only the decision be added, once.
APPROVALS: Final = Table(
    "approvals",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("action", Text()),
    Column("payment_id", Uuid, ForeignKey("payments.id")),
    Column("payment_version", Integer),
    _required("type", Text()),
    _required("command", LargeBinary()),
    _required("preview", LargeBinary()),
    Column("amount", BigInteger),
    Column("currency", _CURRENCY),
    _required("cause", Text()),
    _required("requested_by", Text()),
    _required("reason", Text()),
    _required("requested_at", _TIME),
    _required("expires_at", _TIME),
    Column("decided_by", Text),
    Column("decided_at", _TIME),
    Column("decision", Text),
    Column("decision_reason", Text),
    Column("sent_at", _TIME),
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
    _required("file_name", Text()),
    _required("file_hash", LargeBinary()),
    _required("reason", Text()),
    _required("rows", Integer()),
    _required("state", Text()),
    _required("version", Integer()),
    Column("approval", Uuid),
    _required("created_by", Text()),
    _required("created_at", _TIME),
    _required("changed_by", Text()),
    _required("changed_at", _TIME),
    Column("started_at", _TIME),
    Column("ended_at", _TIME),
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
    _required("typed", Text()),
    _required("reason", Text()),
    _required("state", Text()),
    Column("payment_version", Integer),
    Column("amount", BigInteger),
    Column("currency", _CURRENCY),
    Column("code", Text),
    Column("detail", Text),
    Column("sent_at", _TIME),
    Column("due_at", _TIME),
    Column("letter", Text),
    Index("bulk_rows_payment", "payment_id", postgresql_where=text("state IN ('waiting', 'sent')")),
    Index("bulk_rows_next", "job", "state", "number"),
    Index("bulk_rows_due", "due_at", postgresql_where=text("state = 'sent'")),
    Index("bulk_rows_dead", "due_at", postgresql_where=text("code = 'dead_letter'")),
)

PROVIDER_SWITCHES: Final = Table(
    "provider_switches",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _required("provider", Text()),
    _required("enabled", Boolean()),
    _required("reason", Text()),
    _required("actor", Text()),
    _required("switched_at", _TIME),
    Index("provider_switches_latest", "provider", text("id DESC")),
)

PROVIDER_BREAKERS: Final = Table(
    "provider_breakers",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("worker", Text, primary_key=True),
    _required("reason", Text()),
    _required("opened_at", _TIME),
    _required("seen_at", _TIME),
)

API_CLIENTS: Final = Table(
    "api_clients",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("rate_per_s", Integer),
    _required("created_at", _TIME),
    Column("return_hosts", ARRAY(Text)),
)

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("id", Text, primary_key=True),
    _required("client", Text(), ForeignKey("api_clients.name")),
    _required("hash", LargeBinary()),
    _required("scopes", ARRAY(Text)),
    _required("created_at", _TIME),
    Column("revoked_at", _TIME),
    Column("last_used_at", _TIME),
    UniqueConstraint("hash"),
    Index("api_keys_client", "client"),
)

PROCESS_LEASES: Final = Table(
    "process_leases",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    _required("holder", Text()),
    _required("version", Text()),
    _required("understood", ARRAY(Text), default="'{}'"),
    _required("until", _TIME),
)

OPERATOR_ACTIONS: Final = Table(
    "operator_actions",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _required("at", _TIME),
    _required("actor", Text()),
    _required("action", Text()),
    _required("reason", Text()),
    _required("subject_kind", Text()),
    _required("subject_id", Text()),
    _required("details", JSONB(), default="'{}'"),
    _required("outcome", Text()),
    Index("operator_actions_subject", "subject_kind", "subject_id", text("id DESC")),
)


#: ``command_id``, ``fingerprint``: of the command that made the row, so that a repeat is recognised.
PLANS: Final = Table(
    "plans",
    METADATA,
    Column("client_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    _required("plan_group", Text()),
    _required("title", Text()),
    _required("created_at", _TIME),
    Column("archived_at", _TIME),
    Column("created_by", Text),
    Column("archived_by", Text),
    Column("command_id", Uuid),
    Column("fingerprint", Text),
    Index("plans_command", "command_id", unique=True),
)

#: ``terms``: the whole :class:`~billing.subscriptions.prices.Price`. No row ever changes.
PRICES: Final = Table(
    "prices",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("client_id", Text()),
    _required("plan", Text()),
    _required("version", Integer()),
    _required("currency", _CURRENCY),
    _required("amount", BigInteger()),
    _required("terms", JSONB()),
    _required("created_at", _TIME),
    _required("created_by", Text()),
    Column("command_id", Uuid),
    Column("fingerprint", Text),
    UniqueConstraint("client_id", "plan", "currency", "version"),
    ForeignKeyConstraint(["client_id", "plan"], ["plans.client_id", "plans.id"]),
    Index("prices_command", "command_id", unique=True),
)

CONSENTS: Final = Table(
    "consents",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("subscription_id", Uuid()),
    _required("life", Integer()),
    _required("given_at", _TIME),
    _required("terms_sha256", Text()),
    _required("shown", JSONB(), default="'{}'"),
    Column("address", Text),
    Column("agent", Text),
)

TEST_CLOCKS: Final = Table(
    "test_clocks",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("client_id", Text()),
    _required("name", Text()),
    _required("now_at", _TIME),
    _required("target_at", _TIME),
    _required("created_at", _TIME),
    Column("fingerprint", Text),
)

#: ``state``: the whole :class:`~billing.subscriptions.model.Subscription`; the other columns are for those who search.
SUBSCRIPTIONS: Final = Table(
    "subscriptions",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("client_id", Text()),
    _required("plan_group", Text()),
    _required("customer_id", Text()),
    _required("life", Integer()),
    _required("status", Text()),
    _required("version", Integer()),
    _required("plan", Text()),
    _required("price_id", Uuid()),
    _required("currency", _CURRENCY),
    _required("amount", BigInteger()),
    _required("provider", Text()),
    Column("method_id", Uuid),
    Column("period_end_at", _TIME),
    Column("access_until", _TIME),
    Column("held_at_most", _TIME),
    Column("next_action", Text),
    Column("next_action_at", _TIME),
    Column("clock_id", Uuid),
    _required("created_at", _TIME),
    _required("updated_at", _TIME),
    _required("state", JSONB()),
    UniqueConstraint("client_id", "plan_group", "customer_id"),
    Index(
        "subscriptions_due",
        "provider",
        "next_action_at",
        "id",
        postgresql_where=text("next_action_at IS NOT NULL AND clock_id IS NULL"),
    ),
    Index("subscriptions_clock", "clock_id", "next_action_at", "id", postgresql_where=text("clock_id IS NOT NULL")),
    Index(
        "subscriptions_access",
        "provider",
        "access_until",
        postgresql_where=text("access_until IS NOT NULL AND clock_id IS NULL"),
    ),
    Index("subscriptions_list", "client_id", text("created_at DESC"), text("id DESC")),
    Index("subscriptions_list_status", "client_id", "status", text("created_at DESC"), text("id DESC")),
    Index("subscriptions_customer", "customer_id", text("created_at DESC"), text("id DESC")),
    Index("subscriptions_method", "method_id", postgresql_where=text("method_id IS NOT NULL")),
)

#: ``version``: of the subscription when the row was last written.
SUBSCRIPTION_PERIODS: Final = Table(
    "subscription_periods",
    METADATA,
    Column("subscription_id", Uuid, ForeignKey("subscriptions.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    _required("life", Integer()),
    _required("start_at", _TIME),
    _required("end_at", _TIME),
    _required("price_id", Uuid()),
    _required("amount", BigInteger()),
    _required("currency", _CURRENCY),
    _required("status", Text()),
    _required("paid_by", Uuid()),
    _required("version", Integer()),
    UniqueConstraint("paid_by"),
    Index("subscription_periods_end", "end_at"),
)

RENEWAL_ATTEMPTS: Final = Table(
    "renewal_attempts",
    METADATA,
    Column("payment_id", Uuid, primary_key=True),
    _required("subscription_id", Uuid(), ForeignKey("subscriptions.id")),
    _required("period", Integer()),
    _required("number", Integer()),
    _required("purpose", Text()),
    _required("trigger", Text()),
    _required("state", Text()),
    Column("decline", Text),
    Column("reason", Text),
    _required("amount", BigInteger()),
    _required("currency", _CURRENCY),
    _required("provider", Text()),
    Column("method_id", Uuid),
    _required("requested_at", _TIME),
    Column("ended_at", _TIME),
    _required("version", Integer()),
    UniqueConstraint("subscription_id", "period", "number"),
    Index(
        "renewal_attempts_unanswered",
        "provider",
        postgresql_where=text("state = 'REQUESTED' AND purpose = 'RENEWAL'"),
    ),
    Index("renewal_attempts_method", "method_id", "requested_at", postgresql_where=text("method_id IS NOT NULL")),
    Index(
        "renewal_attempts_ended",
        "provider",
        "ended_at",
        postgresql_where=text("ended_at IS NOT NULL AND purpose = 'RENEWAL'"),
    ),
)

JOB_RUNS: Final = Table(
    "job_runs",
    METADATA,
    Column("job", Text, primary_key=True),
    Column("business_date", Date, primary_key=True),
    _required("started_at", _TIME),
    Column("finished_at", _TIME),
    _required("counts", JSONB(), default="'{}'"),
    Column("braked_at", _TIME),
    Column("brake", Text),
    Column("released_by", Text),
    Column("release_reason", Text),
)

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
    _required("kind", Text()),
    _required("amount", BigInteger()),
    _required("currency", _CURRENCY),
    Column("settled", BigInteger),
    Column("settlement_currency", _CURRENCY),
    Column("fee", BigInteger),
    Column("fee_tax", BigInteger),
    _required("at", _TIME),
    Column("available_on", Date),
    Column("own_id", Uuid),
    Column("order_ref", Text),
    Column("provider_ref", Text),
    Column("aliases", ARRAY(Text)),
    Column("payout_ref", Text),
    Column("method", Text),
    Column("status", Text),
    Column("raw_type", Text),
    _required("test", Boolean()),
    _required("content", Uuid()),
    Column("earlier", ARRAY(BigInteger)),
    Column("payment_id", Uuid),
    Column("operation_id", Uuid),
    Column("matched_by", Text),
    Column("withdrawn_at", _TIME),
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
    _required("lines", Integer()),
    Column("read_at", _TIME),
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
    Column("currency", _CURRENCY, primary_key=True),
    Column("settlement_currency", _CURRENCY, primary_key=True),
    _required("lines", Integer()),
    _required("amount", BigInteger()),
    _required("settled", BigInteger()),
    _required("fee", BigInteger()),
    _required("fee_tax", BigInteger()),
)

#: ``subject``: ``operation:ID``, ``line:DATE:REF#N`` or ``day:DATE``; the id follows from it and the provider. ``ours``,
#: ``theirs``: signed minor units. ``posted_version``: the version that the ledger has.
DISCREPANCIES: Final = Table(
    "discrepancies",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("provider", Text()),
    _required("subject", Text()),
    _required("kind", Text()),
    _required("severity", Text()),
    _required("state", Text()),
    _required("business_date", Date()),
    Column("payment_id", Uuid),
    Column("operation_id", Uuid),
    Column("currency", _CURRENCY),
    Column("ours", BigInteger),
    Column("theirs", BigInteger),
    _required("detail", JSONB(), default="'{}'"),
    Column("owner", Text),
    Column("due_at", _TIME),
    _required("asked", Integer(), default="0"),
    Column("asked_for", Date),
    Column("resolution", Text),
    Column("confirm_by", Date),
    _required("version", Integer()),
    _required("opened_at", _TIME),
    _required("updated_at", _TIME),
    Column("closed_at", _TIME),
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
    _required("at", _TIME),
    _required("actor", Text()),
    _required("event", Text()),
    _required("kind", Text()),
    _required("state", Text()),
    Column("reason", Text),
    _required("evidence", JSONB(), default="'{}'"),
)

#: What clearing tells others, each version of each subject. ``key``: in Kafka.
CLEARING_EVENTS: Final = Table(
    "clearing_events",
    METADATA,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    _required("id", Uuid()),
    _required("version", Integer()),
    _required("type", Text()),
    _required("key", Text()),
    _required("body", JSONB()),
    Column("published_at", _TIME),
    UniqueConstraint("id", "version"),
    Index("clearing_events_unpublished", "number", postgresql_where=text("published_at IS NULL")),
)

#: People at work. ``email``: lower case. ``created_by``: the operator who added the account. ``language``, ``zone``: in which
#: they read the panel, where they have chosen.
STAFF: Final = Table(
    "staff",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    _required("name", Text()),
    _required("role", Text()),
    _required("created_at", _TIME),
    _required("created_by", Text()),
    Column("suspended_at", _TIME),
    Column("language", Text),
    Column("zone", Text),
)

#: ``data``: the hash of a password, or the secret of an authenticator; ``counter``: the last time step whose code was used.
STAFF_CREDENTIALS: Final = Table(
    "staff_credentials",
    METADATA,
    Column("staff_id", Uuid, ForeignKey("staff.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    _required("data", LargeBinary()),
    Column("counter", BigInteger),
    _required("created_at", _TIME),
)

#: Links with which a person chooses a password, once. ``token_hash``: SHA-256, here and of sessions.
STAFF_LINKS: Final = Table(
    "staff_links",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    _required("staff_id", Uuid(), ForeignKey("staff.id")),
    _required("created_at", _TIME),
    _required("expires_at", _TIME),
    Column("ended_at", _TIME),
    Index("staff_links_of", "staff_id"),
)

#: Whom an OpenID provider knows as ``subject``.
STAFF_IDENTITIES: Final = Table(
    "staff_identities",
    METADATA,
    Column("staff_id", Uuid, ForeignKey("staff.id"), primary_key=True),
    Column("issuer", Text, primary_key=True),
    _required("subject", Text()),
    _required("linked_at", _TIME),
    UniqueConstraint("issuer", "subject"),
)

STAFF_PASSKEYS: Final = Table(
    "staff_passkeys",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("staff_id", Uuid(), ForeignKey("staff.id")),
    _required("name", Text()),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    _required("public_key", LargeBinary()),
    _required("sign_count", BigInteger()),
    _required("created_at", _TIME),
    Column("last_used_at", _TIME),
    Index("staff_passkeys_of", "staff_id"),
)

#: What a passkey is asked to sign, once. ``challenge_hash``: SHA-256.
STAFF_CHALLENGES: Final = Table(
    "staff_challenges",
    METADATA,
    Column("challenge_hash", LargeBinary, primary_key=True),
    _required("staff_id", Uuid(), ForeignKey("staff.id")),
    _required("purpose", Text()),
    _required("expires_at", _TIME),
    Index("staff_challenges_expire", "expires_at"),
)

#: ``role_at_most``: the ceiling that the OpenID provider set to the person's role.
STAFF_SESSIONS: Final = Table(
    "staff_sessions",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    _required("staff_id", Uuid(), ForeignKey("staff.id")),
    _required("created_at", _TIME),
    _required("seen_at", _TIME),
    _required("authenticated_at", _TIME),
    _required("expires_at", _TIME),
    _required("address", Text()),
    _required("agent", Text()),
    Column("ended_at", _TIME),
    Column("role_at_most", Text),
    Index("staff_sessions_of", "staff_id", postgresql_where=text("ended_at IS NULL")),
)

#: Failed attempts to sign in. ``subject``: SHA-256 of the account or the address.
SIGN_IN_ATTEMPTS: Final = Table(
    "sign_in_attempts",
    METADATA,
    Column("subject", LargeBinary, primary_key=True),
    _required("failures", Integer()),
    _required("last_at", _TIME),
    Column("blocked_until", _TIME),
    Index("sign_in_attempts_last", "last_at"),
)

#: What people saw and did, never changed. A trigger gives ``id``, ``prev_hash`` and ``hash``.
STAFF_TRAIL: Final = Table(
    "staff_trail",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    _required("at", _TIME),
    Column("staff_id", Uuid),
    _required("who", Text()),
    Column("role", Text),
    Column("session", Text),
    Column("address", Text),
    _required("kind", Text()),
    _required("subject_kind", Text()),
    _required("subject_id", Text()),
    Column("reason", Text),
    _required("detail", JSONB()),
    Column("prev_hash", LargeBinary),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Index("staff_trail_subject", "subject_kind", "subject_id", text("id DESC")),
    Index("staff_trail_person", "staff_id", text("id DESC")),
    Index("staff_trail_commands", "staff_id", "at", postgresql_where=text("kind = 'command'")),
)

#: Notes of people about a customer, never changed.
CUSTOMER_NOTES: Final = Table(
    "customer_notes",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _required("customer_id", Text()),
    _required("at", _TIME),
    _required("author", Text()),
    _required("text", Text()),
    Index("customer_notes_of", "customer_id", text("at DESC"), "id"),
)


def columns(table: Table, *, prefix: str = "", without: Collection[str] = ()) -> str:
    """The names of a table's columns as an SQL list, each behind ``prefix`` (an alias with its dot)."""
    return ", ".join(f"{prefix}{column.name}" for column in table.columns if column.name not in without)
