"""By which version of its rules a message was decided."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE journal ADD COLUMN IF NOT EXISTS rules smallint")


def downgrade() -> None:
    op.execute("ALTER TABLE journal DROP COLUMN rules")
