"""The hosts to which an API client may send its customers back. NULL: any."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE api_clients ADD COLUMN IF NOT EXISTS return_hosts text[]")


def downgrade() -> None:
    op.execute("ALTER TABLE api_clients DROP COLUMN IF EXISTS return_hosts")
