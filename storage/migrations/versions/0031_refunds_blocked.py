"""Whether a person has stopped the refunds of a payment."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # NULL, from a writer that names all columns, means no.
    op.execute("ALTER TABLE payments ADD COLUMN IF NOT EXISTS refunds_blocked boolean DEFAULT false")


def downgrade() -> None:
    op.execute("ALTER TABLE payments DROP COLUMN refunds_blocked")
