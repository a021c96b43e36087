"""Approvals that are of a subscription's command or of a discrepancy that is written off or accepted."""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

SUBJECTS = ("subscription_id", "discrepancy_id")


def upgrade() -> None:
    op.execute(
        "ALTER TABLE approvals ADD COLUMN IF NOT EXISTS subscription_id uuid,"
        " ADD COLUMN IF NOT EXISTS discrepancy_id uuid"
    )
    op.execute("ALTER TABLE approvals DROP CONSTRAINT IF EXISTS approval_of_one")
    op.execute(
        """
        ALTER TABLE approvals ADD CONSTRAINT approval_of_one CHECK (
            num_nonnulls(payment_id, bulk_job, subscription_id, discrepancy_id) = 1
            AND (payment_id IS NULL OR num_nonnulls(payment_version, currency) = 2)
            AND (subscription_id IS NULL OR num_nonnulls(amount, currency) = 2)
            AND (discrepancy_id IS NULL OR amount IS NOT NULL)
        ) NOT VALID
        """
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE approvals VALIDATE CONSTRAINT approval_of_one")
        # A build waits for older transactions, and blocks no write meanwhile.
        op.execute("SET lock_timeout = 0")
        for column in SUBJECTS:
            index = f"approvals_{column.removesuffix('_id')}"
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")  # an invalid one, left by a failed build
            op.execute(f"CREATE INDEX CONCURRENTLY {index} ON approvals ({column}) WHERE {column} IS NOT NULL")
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    op.execute("ALTER TABLE approvals DROP CONSTRAINT approval_of_one")
    op.execute("ALTER TABLE approvals DISABLE TRIGGER approvals_keep")
    op.execute("DELETE FROM approvals WHERE num_nonnulls(payment_id, bulk_job) = 0")
    op.execute("ALTER TABLE approvals ENABLE TRIGGER approvals_keep")
    op.execute("ALTER TABLE approvals DROP COLUMN subscription_id, DROP COLUMN discrepancy_id")
    op.execute(
        """
        ALTER TABLE approvals ADD CONSTRAINT approval_of_one CHECK (
            num_nonnulls(payment_id, bulk_job) = 1
            AND (payment_id IS NULL OR num_nonnulls(payment_version, currency) = 2)
        )
        """
    )
