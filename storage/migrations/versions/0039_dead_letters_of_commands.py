"""Where the dead letter of a message is, so that a row of a bulk job whose command became one ends."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

INDEX = "bulk_rows_dead"
STATEMENTS = [
    """
    CREATE TABLE IF NOT EXISTS dead_letters (
        dead_partition integer NOT NULL,
        dead_offset bigint NOT NULL,
        consumer text NOT NULL,
        topic text NOT NULL,
        stream_partition integer NOT NULL,
        stream_offset bigint NOT NULL,
        message_id text,
        cause text NOT NULL,
        buried_at timestamptz NOT NULL,
        PRIMARY KEY (dead_partition, dead_offset)
    )
    """,
    "CREATE INDEX IF NOT EXISTS dead_letters_message ON dead_letters (message_id)",
    "ALTER TABLE bulk_rows ADD COLUMN IF NOT EXISTS letter text",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    with op.get_context().autocommit_block():
        # A build waits for older transactions, and blocks no write meanwhile.
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")  # an invalid one, left by a failed build
        op.execute(f"CREATE INDEX CONCURRENTLY {INDEX} ON bulk_rows (due_at) WHERE code = 'dead_letter'")
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    op.execute(f"DROP INDEX {INDEX}")
    op.execute("ALTER TABLE bulk_rows DROP COLUMN letter")
    op.execute("DROP TABLE dead_letters")
