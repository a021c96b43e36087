"""Further ids by which providers refer to payments."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS provider_aliases (
            provider text NOT NULL,
            alias text NOT NULL,
            payment_id uuid NOT NULL REFERENCES payments,
            learnt_at timestamptz NOT NULL,
            PRIMARY KEY (provider, alias)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE provider_aliases")
