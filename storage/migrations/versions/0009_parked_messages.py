"""Messages of a type that a worker does not know yet."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = [
    """
    CREATE TABLE parked_messages (
        consumer text NOT NULL,
        topic text NOT NULL,
        stream_partition integer NOT NULL,
        stream_offset bigint NOT NULL,
        message_id text NOT NULL,
        type text NOT NULL,
        key bytea,
        value bytea NOT NULL,
        parked_at timestamptz NOT NULL,
        resolution text CHECK (resolution IN ('returned', 'dead-letter')),
        resolved_at timestamptz,
        PRIMARY KEY (topic, stream_partition, stream_offset, consumer),
        CHECK ((resolution IS NULL) = (resolved_at IS NULL))
    )
    """,
    "CREATE INDEX parked_messages_open ON parked_messages (parked_at) WHERE resolution IS NULL",
    "CREATE INDEX parked_messages_id ON parked_messages (message_id)",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE parked_messages")
