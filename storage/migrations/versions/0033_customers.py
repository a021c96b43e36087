"""A customer's subscriptions and saved methods at all API clients: the indexes of the panel's page."""

from types import MappingProxyType

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

INDEXES = MappingProxyType(
    {
        "subscriptions_customer": "subscriptions (customer_id, created_at DESC, id DESC)",
        "saved_methods_person": "saved_methods (customer_id, created_at DESC, id DESC)",
    }
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # A build waits for older transactions, and blocks no write meanwhile.
        op.execute("SET lock_timeout = 0")
        for name, columns in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # an invalid one, left by a failed build
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {columns}")
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
