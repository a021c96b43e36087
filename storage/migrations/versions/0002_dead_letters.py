"""What became of the dead letters."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE dead_letter_resolutions (
            dead_partition integer NOT NULL,
            dead_offset bigint NOT NULL,
            action text NOT NULL CHECK (action IN ('replayed', 'discarded')),
            actor text NOT NULL CHECK (actor <> ''),
            reason text CHECK (reason <> ''),
            resolved_at timestamptz NOT NULL,
            PRIMARY KEY (dead_partition, dead_offset),
            CONSTRAINT discarded_with_reason CHECK (action <> 'discarded' OR reason IS NOT NULL)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE dead_letter_resolutions")
