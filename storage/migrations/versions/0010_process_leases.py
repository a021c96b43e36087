"""The processes that run: the slot of each among its kind, and the types of messages that it understands."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE process_leases (
            kind text NOT NULL,
            slot smallint NOT NULL CHECK (slot >= 0),
            holder text NOT NULL,
            version text NOT NULL,
            understood text[] NOT NULL DEFAULT '{}',
            until timestamptz NOT NULL,
            PRIMARY KEY (kind, slot)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE process_leases")
