"""Commands that a second person has to approve."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

STATEMENTS = [
    """
    CREATE TABLE IF NOT EXISTS approvals (
        id uuid PRIMARY KEY,
        action text NOT NULL,
        payment_id uuid NOT NULL REFERENCES payments,
        payment_version integer NOT NULL,
        type text NOT NULL,
        command bytea NOT NULL,
        preview bytea NOT NULL,
        amount bigint,
        currency char(3) NOT NULL,
        cause text NOT NULL,
        requested_by text NOT NULL,
        reason text NOT NULL,
        requested_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        decided_by text,
        decided_at timestamptz,
        decision text CHECK (decision IN ('approved', 'refused')),
        decision_reason text,
        sent_at timestamptz,
        CONSTRAINT approved_by_another CHECK (decided_by <> requested_by OR decision = 'refused'),
        CONSTRAINT decided_whole CHECK ((decision IS NULL) = (decided_by IS NULL) AND (decision IS NULL) = (decided_at IS NULL)),
        CONSTRAINT sent_when_approved CHECK (sent_at IS NULL OR decision = 'approved')
    )
    """,
    "CREATE INDEX IF NOT EXISTS approvals_open ON approvals (requested_at) WHERE sent_at IS NULL",
    "CREATE INDEX IF NOT EXISTS approvals_payment ON approvals (payment_id)",
    # What was asked for is what is approved, and what was decided stays decided.
    """
    CREATE OR REPLACE FUNCTION approvals_keep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR to_jsonb(OLD) - '{decided_by,decided_at,decision,decision_reason,sent_at}'::text[]
                            <> to_jsonb(NEW) - '{decided_by,decided_at,decision,decision_reason,sent_at}'::text[]
           OR OLD.decision IS NOT NULL
              AND (OLD.decision, OLD.decided_by, OLD.decided_at, OLD.decision_reason)
                  IS DISTINCT FROM (NEW.decision, NEW.decided_by, NEW.decided_at, NEW.decision_reason) THEN
            RAISE EXCEPTION 'an approval is not changed' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER approvals_keep BEFORE UPDATE OR DELETE ON approvals
        FOR EACH ROW EXECUTE FUNCTION approvals_keep()
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE approvals")
    op.execute("DROP FUNCTION approvals_keep")
