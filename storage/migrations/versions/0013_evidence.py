"""What a provider contradicts the books in, and how many questions about an operation were answered."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE payments ADD COLUMN IF NOT EXISTS contradiction text")
    op.execute("ALTER TABLE operations ADD COLUMN IF NOT EXISTS answered integer")
    with op.get_context().autocommit_block():
        # A build waits for older transactions, and blocks no write meanwhile.
        op.execute("SET lock_timeout = 0")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS payments_contradicted")  # an invalid one, left by a failed build
        op.execute(
            "CREATE INDEX CONCURRENTLY payments_contradicted ON payments (provider) WHERE contradiction IS NOT NULL"
        )
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    op.execute("ALTER TABLE payments DROP COLUMN contradiction")
    op.execute("ALTER TABLE operations DROP COLUMN answered")
