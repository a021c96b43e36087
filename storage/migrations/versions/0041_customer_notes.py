"""People write notes about a customer."""

from alembic import op

revision = "0041"
down_revision = "0039"
branch_labels = None
depends_on = None

STATEMENTS = [
    """
    CREATE TABLE IF NOT EXISTS customer_notes (
        id uuid PRIMARY KEY,
        customer_id text NOT NULL,
        at timestamptz NOT NULL,
        author text NOT NULL,
        text text NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS customer_notes_of ON customer_notes (customer_id, at DESC, id)",
    """
    CREATE OR REPLACE FUNCTION customer_notes_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a note is never changed' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER customer_notes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON customer_notes
        FOR EACH STATEMENT EXECUTE FUNCTION customer_notes_are_append_only()
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE customer_notes")
    op.execute("DROP FUNCTION customer_notes_are_append_only")
