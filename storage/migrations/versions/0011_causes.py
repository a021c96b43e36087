"""Causes on record: the provider's own words for a failed operation, and where a parked callback came from, with which it
can become a dead letter."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE parked_callbacks"
        " ADD COLUMN IF NOT EXISTS stream_partition integer, ADD COLUMN IF NOT EXISTS stream_offset bigint"
    )
    op.execute("ALTER TABLE operations ADD COLUMN IF NOT EXISTS provider_reason jsonb")


def downgrade() -> None:
    op.execute("ALTER TABLE operations DROP COLUMN provider_reason")
    op.execute("ALTER TABLE parked_callbacks DROP COLUMN stream_partition, DROP COLUMN stream_offset")
