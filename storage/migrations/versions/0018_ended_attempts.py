"""The renewal attempts of a provider by their end: for the brake, and for the record of a day."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # a build waits for older transactions, and blocks no write meanwhile
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS renewal_attempts_ended")  # an invalid one, left by a failed build
        op.execute(
            """
            CREATE INDEX CONCURRENTLY renewal_attempts_ended ON renewal_attempts (provider, ended_at)
            WHERE ended_at IS NOT NULL AND purpose = 'RENEWAL'
            """
        )
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    op.execute("DROP INDEX renewal_attempts_ended")
