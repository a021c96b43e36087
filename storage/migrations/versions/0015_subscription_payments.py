"""Payments of subscriptions: which one a payment belongs to, until when it may be charged, whether it is withdrawn, and
what the provider tells of its method."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN IF NOT EXISTS subscription jsonb")
    op.execute(
        "ALTER TABLE payments ADD COLUMN IF NOT EXISTS method_title text, ADD COLUMN IF NOT EXISTS method_expires text,"
        " ADD COLUMN IF NOT EXISTS not_after timestamptz, ADD COLUMN IF NOT EXISTS withdrawn text"
    )
    op.execute("ALTER TABLE operations ADD COLUMN IF NOT EXISTS retry_after_s integer")


def downgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN subscription")
    op.execute(
        "ALTER TABLE payments DROP COLUMN method_title, DROP COLUMN method_expires, DROP COLUMN not_after,"
        " DROP COLUMN withdrawn"
    )
    op.execute("ALTER TABLE operations DROP COLUMN retry_after_s")
