"""What the REST API needs: API clients and their keys, lists of payments, repeats of operations told from misuses."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = [
    "ALTER TABLE operations ADD COLUMN fingerprint text",
    # Lists are keyset pages, newest first. The second serves the rare states of a large client; a provider has a
    # large share of its client's payments, so that filtering the first by it is quick enough.
    "CREATE INDEX payments_list ON payments (client_id, created_at DESC, id DESC)",
    "CREATE INDEX payments_list_status ON payments (client_id, status, created_at DESC, id DESC)",
    # Most orders have no metadata and stay out of it.
    "CREATE INDEX orders_metadata ON orders USING gin (metadata jsonb_path_ops) WHERE metadata <> '{}'",
    """
    CREATE TABLE api_clients (
        name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
        rate_per_s integer CHECK (rate_per_s > 0),
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE api_keys (
        id text PRIMARY KEY,
        client text NOT NULL REFERENCES api_clients,
        hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
        scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
        created_at timestamptz NOT NULL,
        revoked_at timestamptz,
        last_used_at timestamptz
    )
    """,
    "CREATE INDEX api_keys_client ON api_keys (client)",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in (
        "DROP TABLE api_keys", "DROP TABLE api_clients", "DROP INDEX orders_metadata",
        "DROP INDEX payments_list_status", "DROP INDEX payments_list",
        "ALTER TABLE operations DROP COLUMN fingerprint",
    ):  # fmt: skip
        op.execute(statement)
