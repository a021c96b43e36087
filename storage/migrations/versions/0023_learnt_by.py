"""How the end of an operation was learnt, and the provider's time of it."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE operations ADD COLUMN IF NOT EXISTS learnt_by text, ADD COLUMN IF NOT EXISTS occurred_at timestamptz,
            DROP CONSTRAINT IF EXISTS operations_learnt_by_check,
            ADD CONSTRAINT operations_learnt_by_check
                CHECK (learnt_by IN ('answer', 'callback', 'inquiry', 'statement', 'operator')) NOT VALID
        """
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE operations VALIDATE CONSTRAINT operations_learnt_by_check")


def downgrade() -> None:
    op.execute("ALTER TABLE operations DROP COLUMN occurred_at, DROP COLUMN learnt_by")
