"""Who made a plan, who archived it, and the commands that made plans and prices: a repeat makes no second one."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE plans ADD COLUMN IF NOT EXISTS created_by text, ADD COLUMN IF NOT EXISTS archived_by text,"
        " ADD COLUMN IF NOT EXISTS command_id uuid, ADD COLUMN IF NOT EXISTS fingerprint text"
    )
    op.execute(
        "ALTER TABLE prices ADD COLUMN IF NOT EXISTS command_id uuid, ADD COLUMN IF NOT EXISTS fingerprint text"
    )
    with op.get_context().autocommit_block():
        # A build waits for older transactions, and blocks no write meanwhile.
        op.execute("SET lock_timeout = 0")
        for table in ("plans", "prices"):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {table}_command")  # an invalid one, left by a failed build
            op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {table}_command ON {table} (command_id)")
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    op.execute("ALTER TABLE prices DROP COLUMN command_id, DROP COLUMN fingerprint")
    op.execute(
        "ALTER TABLE plans DROP COLUMN created_by, DROP COLUMN archived_by, DROP COLUMN command_id,"
        " DROP COLUMN fingerprint"
    )
