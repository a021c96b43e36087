"""The check by which a batch is written only where its positions were as expected, in the same statement."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION positions_moved(moved bigint, wanted bigint) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN
            IF moved <> wanted THEN
                RAISE EXCEPTION '% of % positions moved on without us', wanted - moved, wanted USING ERRCODE = 'BL001';
            END IF;
            RETURN true;
        END $$
        """
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION positions_moved")
