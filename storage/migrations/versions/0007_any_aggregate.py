"""A journal of several inboxes, recorded refusals, ledger postings with a cause, and a record of operators' actions."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = [
    # A constant default fills the rows there are without rewriting them. Release 0006 writes an explicit NULL into
    # every column that it does not know: the trigger replaces it.
    """
    ALTER TABLE journal ADD COLUMN topic text NOT NULL DEFAULT 'billing.payments.inbox', ADD COLUMN refusal jsonb
    """,
    """
    CREATE FUNCTION journal_topic_default() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.topic := 'billing.payments.inbox';
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER journal_topic_default BEFORE INSERT ON journal
        FOR EACH ROW WHEN (NEW.topic IS NULL) EXECUTE FUNCTION journal_topic_default()
    """,
    # Valid once every partition has its part of the index: 0008. Release 0006 reads by its first two columns.
    """
    CREATE UNIQUE INDEX journal_position ON ONLY journal (stream_partition, stream_offset, topic, recorded_at)
    """,
    # Rows without a cause were posted for their operation. Ledger entries are never changed: they stay as they are.
    """
    ALTER TABLE ledger_entries
        ADD COLUMN cause_kind text, ADD COLUMN cause_id text,
        ALTER COLUMN payment_id DROP NOT NULL, ALTER COLUMN operation_id DROP NOT NULL,
        ADD CONSTRAINT has_cause CHECK (
            CASE WHEN cause_kind IS NULL THEN cause_id IS NULL AND operation_id IS NOT NULL
                 WHEN cause_kind = 'operation' THEN cause_id IS NOT NULL AND operation_id IS NOT NULL
                                                    AND cause_id = operation_id::text
                 ELSE cause_id IS NOT NULL END
        ) NOT VALID
    """,
    """
    CREATE TABLE operator_actions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL,
        actor text NOT NULL CHECK (actor <> ''),
        action text NOT NULL CHECK (action <> ''),
        reason text NOT NULL CHECK (reason <> ''),
        subject_kind text NOT NULL CHECK (subject_kind <> ''),
        subject_id text NOT NULL,
        details jsonb NOT NULL DEFAULT '{}',
        outcome text NOT NULL CHECK (outcome <> '')
    )
    """,
    "CREATE INDEX operator_actions_subject ON operator_actions (subject_kind, subject_id, id DESC)",
    # Only the outcome of a started action is written later, once, and details are added to it.
    """
    CREATE FUNCTION operator_actions_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF OLD.outcome = 'started' AND NEW.details @> OLD.details
                AND (NEW.id, NEW.at, NEW.actor, NEW.action, NEW.reason, NEW.subject_kind, NEW.subject_id)
                  = (OLD.id, OLD.at, OLD.actor, OLD.action, OLD.reason, OLD.subject_kind, OLD.subject_id)
            THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'operator actions are never changed' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER operator_actions_append_only BEFORE UPDATE OR DELETE ON operator_actions
        FOR EACH ROW EXECUTE FUNCTION operator_actions_are_append_only()
    """,
    """
    CREATE TRIGGER operator_actions_not_truncated BEFORE TRUNCATE ON operator_actions
        FOR EACH STATEMENT EXECUTE FUNCTION operator_actions_are_append_only()
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in (
        "DROP TABLE operator_actions", "DROP FUNCTION operator_actions_are_append_only",
        "ALTER TABLE ledger_entries DROP CONSTRAINT has_cause, DROP COLUMN cause_id, DROP COLUMN cause_kind,"
        " ALTER COLUMN operation_id SET NOT NULL, ALTER COLUMN payment_id SET NOT NULL",
        "DROP INDEX journal_position", "DROP TRIGGER journal_topic_default ON journal",
        "DROP FUNCTION journal_topic_default", "ALTER TABLE journal DROP COLUMN refusal, DROP COLUMN topic",
    ):  # fmt: skip
        op.execute(statement)
