"""What a person gave back within a day: the index of the limit."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

INDEX = "staff_trail_commands"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # A build waits for older transactions, and blocks no write meanwhile.
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")  # an invalid one, left by a failed build
        op.execute(f"CREATE INDEX CONCURRENTLY {INDEX} ON staff_trail (staff_id, at) WHERE kind = 'command'")
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    op.execute(f"DROP INDEX {INDEX}")
