"""The body that made a test clock: a repeat makes no second one, another body is refused."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE test_clocks ADD COLUMN IF NOT EXISTS fingerprint text")


def downgrade() -> None:
    op.execute("ALTER TABLE test_clocks DROP COLUMN fingerprint")
