"""In which language and time zone a person reads the panel; none where they have not chosen."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE staff ADD COLUMN IF NOT EXISTS language text, ADD COLUMN IF NOT EXISTS zone text")


def downgrade() -> None:
    op.execute("ALTER TABLE staff DROP COLUMN language, DROP COLUMN zone")
