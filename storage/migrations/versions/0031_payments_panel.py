"""Payments in the panel: refunds that a person blocks, the last digits of the card that paid, the indexes of search."""

from types import MappingProxyType

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

INDEXES = MappingProxyType(
    {
        "payments_newest": "(created_at DESC, id DESC)",
        "payments_open": "(created_at DESC, id DESC) WHERE status IN ('PENDING', 'AUTHORIZED')",
        "payments_amount": "(amount, created_at DESC, id DESC)",
        "payments_last4": "(method_last4, created_at DESC, id DESC) WHERE method_last4 IS NOT NULL",
    }
)


def upgrade() -> None:
    # NULL, from a writer that names all columns, means that refunds are not blocked.
    op.execute(
        "ALTER TABLE payments ADD COLUMN IF NOT EXISTS refunds_blocked boolean DEFAULT false,"
        " ADD COLUMN IF NOT EXISTS method_last4 text"
    )
    with op.get_context().autocommit_block():
        # A build waits for older transactions, and blocks no write meanwhile.
        op.execute("SET lock_timeout = 0")
        for name, columns in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # an invalid one, left by a failed build
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON payments {columns}")
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
    op.execute("ALTER TABLE payments DROP COLUMN method_last4, DROP COLUMN refunds_blocked")
