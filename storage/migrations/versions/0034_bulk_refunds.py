"""Refunds in bulk: jobs, their rows, and approvals that are of a job."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

STATEMENTS = [
    """
    CREATE TABLE IF NOT EXISTS bulk_jobs (
        id uuid PRIMARY KEY,
        file_name text NOT NULL,
        file_hash bytea NOT NULL CHECK (length(file_hash) = 32),
        reason text NOT NULL,
        rows integer NOT NULL,
        state text NOT NULL CHECK (state IN ('checking', 'ready', 'running', 'paused', 'stopped', 'finished')),
        version integer NOT NULL,
        approval uuid,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        changed_by text NOT NULL,
        changed_at timestamptz NOT NULL,
        started_at timestamptz,
        ended_at timestamptz
    )
    """,
    "CREATE INDEX IF NOT EXISTS bulk_jobs_newest ON bulk_jobs (created_at DESC, id DESC)",
    # A file is carried out once: the same bytes are taken again only where the job that had them was stopped before it began.
    """
    CREATE UNIQUE INDEX IF NOT EXISTS bulk_jobs_file ON bulk_jobs (file_hash)
        WHERE state <> 'stopped' OR started_at IS NOT NULL
    """,
    """
    CREATE TABLE IF NOT EXISTS bulk_rows (
        job uuid NOT NULL REFERENCES bulk_jobs,
        number integer NOT NULL,
        operation_id uuid NOT NULL UNIQUE,
        payment_id uuid,
        typed text NOT NULL,
        reason text NOT NULL,
        state text NOT NULL CHECK (state IN ('unchecked', 'waiting', 'sent', 'done', 'refused', 'failed')),
        payment_version integer,
        amount bigint,
        currency char(3),
        code text,
        detail text,
        sent_at timestamptz,
        due_at timestamptz,
        PRIMARY KEY (job, number),
        CONSTRAINT judged_whole CHECK (
            state NOT IN ('waiting', 'sent', 'done', 'failed')
            OR num_nonnulls(payment_id, payment_version, amount, currency) = 4
        )
    )
    """,
    "CREATE INDEX IF NOT EXISTS bulk_rows_payment ON bulk_rows (payment_id)",
    "CREATE INDEX IF NOT EXISTS bulk_rows_next ON bulk_rows (job, state, number)",
    "CREATE INDEX IF NOT EXISTS bulk_rows_due ON bulk_rows (due_at) WHERE state = 'sent'",
    # What was approved is what is sent: the file never changes, and what the dry run found only while it is made.
    """
    CREATE OR REPLACE FUNCTION bulk_rows_keep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE'
           OR (OLD.job, OLD.number, OLD.operation_id, OLD.payment_id, OLD.typed, OLD.reason)
              IS DISTINCT FROM (NEW.job, NEW.number, NEW.operation_id, NEW.payment_id, NEW.typed, NEW.reason)
           OR (OLD.payment_version, OLD.amount, OLD.currency)
              IS DISTINCT FROM (NEW.payment_version, NEW.amount, NEW.currency)
              AND NOT EXISTS (SELECT FROM bulk_jobs WHERE id = OLD.job AND state = 'checking') THEN
            RAISE EXCEPTION 'a row of a bulk job is not changed' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER bulk_rows_keep BEFORE UPDATE OR DELETE ON bulk_rows
        FOR EACH ROW EXECUTE FUNCTION bulk_rows_keep()
    """,
    # An approval is of a payment's command or of a bulk job.
    """
    ALTER TABLE approvals ADD COLUMN IF NOT EXISTS bulk_job uuid, ALTER COLUMN payment_id DROP NOT NULL,
        ALTER COLUMN payment_version DROP NOT NULL, ALTER COLUMN currency DROP NOT NULL
    """,
    "ALTER TABLE approvals DROP CONSTRAINT IF EXISTS approval_of_one",
    """
    ALTER TABLE approvals ADD CONSTRAINT approval_of_one CHECK (
        num_nonnulls(payment_id, bulk_job) = 1
        AND (payment_id IS NULL OR num_nonnulls(payment_version, currency) = 2)
    ) NOT VALID
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE approvals VALIDATE CONSTRAINT approval_of_one")


def downgrade() -> None:
    op.execute("ALTER TABLE approvals DROP CONSTRAINT approval_of_one")
    op.execute("ALTER TABLE approvals DISABLE TRIGGER approvals_keep")
    op.execute("DELETE FROM approvals WHERE bulk_job IS NOT NULL")
    op.execute("ALTER TABLE approvals ENABLE TRIGGER approvals_keep")
    op.execute(
        "ALTER TABLE approvals DROP COLUMN bulk_job, ALTER COLUMN payment_id SET NOT NULL,"
        " ALTER COLUMN payment_version SET NOT NULL, ALTER COLUMN currency SET NOT NULL"
    )
    op.execute("DROP TABLE bulk_rows, bulk_jobs")
    op.execute("DROP FUNCTION bulk_rows_keep")
