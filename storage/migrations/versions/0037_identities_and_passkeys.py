"""People are known by an OpenID provider and have passkeys: identities, passkeys, challenges, the ceiling of a session."""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

STATEMENTS = [
    """
    CREATE TABLE IF NOT EXISTS staff_identities (
        staff_id uuid NOT NULL REFERENCES staff,
        issuer text NOT NULL,
        subject text NOT NULL,
        linked_at timestamptz NOT NULL,
        PRIMARY KEY (staff_id, issuer),
        UNIQUE (issuer, subject)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS staff_passkeys (
        id uuid PRIMARY KEY,
        staff_id uuid NOT NULL REFERENCES staff,
        name text NOT NULL,
        credential_id bytea NOT NULL UNIQUE CHECK (length(credential_id) <= 1023),
        public_key bytea NOT NULL,
        sign_count bigint NOT NULL,
        created_at timestamptz NOT NULL,
        last_used_at timestamptz
    )
    """,
    "CREATE INDEX IF NOT EXISTS staff_passkeys_of ON staff_passkeys (staff_id)",
    """
    CREATE TABLE IF NOT EXISTS staff_challenges (
        challenge_hash bytea PRIMARY KEY CHECK (length(challenge_hash) = 32),
        staff_id uuid NOT NULL REFERENCES staff,
        purpose text NOT NULL CHECK (purpose IN ('sign_in', 'confirm', 'add')),
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS staff_challenges_expire ON staff_challenges (expires_at)",
    "ALTER TABLE staff_sessions ADD COLUMN IF NOT EXISTS role_at_most text",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE staff_sessions DROP COLUMN role_at_most")
    op.execute("DROP TABLE staff_challenges, staff_passkeys, staff_identities")
