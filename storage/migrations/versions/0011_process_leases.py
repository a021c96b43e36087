"""Places that the processes of one kind hold: who is one of how many."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS process_leases (
            kind text NOT NULL,
            slot smallint NOT NULL CHECK (slot >= 0),
            holder text NOT NULL,
            version text NOT NULL,
            until timestamptz NOT NULL,
            PRIMARY KEY (kind, slot)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE process_leases")
