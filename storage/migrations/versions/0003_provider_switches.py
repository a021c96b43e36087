"""Which providers may be called: what operators said, and what breakers of running workers hold back."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE provider_switches (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            provider text NOT NULL,
            enabled boolean NOT NULL,
            reason text NOT NULL CHECK (reason <> ''),
            actor text NOT NULL CHECK (actor <> ''),
            switched_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX provider_switches_latest ON provider_switches (provider, id DESC)")
    op.execute(
        """
        CREATE TABLE provider_breakers (
            provider text NOT NULL,
            worker text NOT NULL,
            reason text NOT NULL,
            opened_at timestamptz NOT NULL,
            seen_at timestamptz NOT NULL,
            PRIMARY KEY (provider, worker)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE provider_breakers, provider_switches")
