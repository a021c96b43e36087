"""The methods that customers let us charge again."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS saved_methods (
            id uuid PRIMARY KEY,
            client_id text NOT NULL,
            customer_id text NOT NULL,
            provider text NOT NULL,
            method_ref text NOT NULL,
            title text,
            expires_on date,
            status text NOT NULL CONSTRAINT known_status CHECK (status IN ('ACTIVE', 'DEAD', 'REMOVED')),
            status_at timestamptz NOT NULL,
            status_by text NOT NULL CONSTRAINT named CHECK (status_by <> ''),
            reason text,
            created_at timestamptz NOT NULL,
            UNIQUE (provider, method_ref, customer_id)
        )
        """
    )
    op.execute("CREATE INDEX IF NOT EXISTS saved_methods_customer ON saved_methods (client_id, customer_id, created_at)")


def downgrade() -> None:
    op.execute("DROP TABLE saved_methods")
