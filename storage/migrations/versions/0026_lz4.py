"""Large documents are compressed by lz4 where the server has it: pglz was a quarter of what a batch cost Postgres.

Only new values: what is stored stays as it is.
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# Later partitions of the journal have it from their parent.
_SET = """
    DO $$
    DECLARE part regclass;
    BEGIN
        IF NOT EXISTS (
            SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND '{method}' = ANY (enumvals)
        ) THEN
            RETURN;
        END IF;
        FOR part IN SELECT relid FROM pg_partition_tree('journal') LOOP
            EXECUTE format(
                'ALTER TABLE %s ALTER message SET COMPRESSION {method}, ALTER outputs SET COMPRESSION {method}', part);
        END LOOP;
        ALTER TABLE subscriptions ALTER state SET COMPRESSION {method};
    END $$
"""


def upgrade() -> None:
    op.execute(_SET.format(method="lz4"))


def downgrade() -> None:
    op.execute(_SET.format(method="pglz"))
