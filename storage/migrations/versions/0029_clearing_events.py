"""Events of clearing, kept until they are published and for backfills; operations whose end no callback told."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS clearing_events (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            id uuid NOT NULL,
            version integer NOT NULL CHECK (version > 0),
            type text NOT NULL,
            key text NOT NULL,
            body jsonb NOT NULL,
            published_at timestamptz,
            UNIQUE (id, version)
        )
        """
    )
    op.execute(
        "CREATE INDEX IF NOT EXISTS clearing_events_unpublished ON clearing_events (number) WHERE published_at IS NULL"
    )
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # a build waits for older transactions, and blocks no write meanwhile
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS operations_not_told")  # an invalid one, left by a failed build
        op.execute(
            "CREATE INDEX CONCURRENTLY operations_not_told ON operations (provider, coalesce(occurred_at, created_at))"
            " WHERE learnt_by IN ('inquiry', 'statement', 'operator')"
        )
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    op.execute("DROP INDEX operations_not_told")
    op.execute("DROP TABLE clearing_events")
