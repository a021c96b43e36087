"""The journal's rows are unique by topic, partition and offset."""

from alembic import op

from storage.migrations.concurrently import partition_indexes

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE ledger_entries VALIDATE CONSTRAINT has_cause")
        partition_indexes("journal", "journal_position", "(stream_partition, stream_offset, topic, recorded_at)")
        # Its place is taken: it would refuse the same partition and offset of another topic.
        op.execute("ALTER TABLE journal DROP CONSTRAINT IF EXISTS journal_pkey")


def downgrade() -> None:
    op.execute("ALTER TABLE journal ADD PRIMARY KEY (stream_partition, stream_offset, recorded_at)")
