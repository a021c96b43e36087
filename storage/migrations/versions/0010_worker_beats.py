"""Which workers run, and which types of messages each knows."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE worker_beats (
            worker text PRIMARY KEY,
            understood text[] NOT NULL,
            beat_at timestamptz NOT NULL
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE worker_beats")
