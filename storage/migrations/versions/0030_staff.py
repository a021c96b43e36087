"""People at work: accounts, credentials, sessions, attempts to sign in, and the trail of what they saw and did."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

STATEMENTS = [
    """
    CREATE TABLE IF NOT EXISTS staff (
        id uuid PRIMARY KEY,
        email text NOT NULL UNIQUE CHECK (email = lower(email)),
        name text NOT NULL,
        role text NOT NULL CHECK (role IN ('viewer', 'support', 'finance', 'admin')),
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        suspended_at timestamptz
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS staff_credentials (
        staff_id uuid NOT NULL REFERENCES staff,
        kind text NOT NULL CHECK (kind IN ('password', 'totp')),
        data bytea NOT NULL,
        counter bigint,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (staff_id, kind)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS staff_links (
        token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
        staff_id uuid NOT NULL REFERENCES staff,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        ended_at timestamptz
    )
    """,
    "CREATE INDEX IF NOT EXISTS staff_links_of ON staff_links (staff_id)",
    """
    CREATE TABLE IF NOT EXISTS staff_sessions (
        token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
        staff_id uuid NOT NULL REFERENCES staff,
        created_at timestamptz NOT NULL,
        seen_at timestamptz NOT NULL,
        authenticated_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        address text NOT NULL,
        agent text NOT NULL,
        ended_at timestamptz
    )
    """,
    "CREATE INDEX IF NOT EXISTS staff_sessions_of ON staff_sessions (staff_id) WHERE ended_at IS NULL",
    """
    CREATE TABLE IF NOT EXISTS sign_in_attempts (
        subject bytea PRIMARY KEY CHECK (length(subject) = 32),
        failures integer NOT NULL,
        last_at timestamptz NOT NULL,
        blocked_until timestamptz
    )
    """,
    "CREATE INDEX IF NOT EXISTS sign_in_attempts_last ON sign_in_attempts (last_at)",
    """
    CREATE TABLE IF NOT EXISTS staff_trail (
        id bigint PRIMARY KEY,
        at timestamptz NOT NULL,
        staff_id uuid,
        who text NOT NULL,
        role text,
        session text,
        address text,
        kind text NOT NULL,
        subject_kind text NOT NULL,
        subject_id text NOT NULL,
        reason text,
        detail jsonb NOT NULL,
        prev_hash bytea,
        hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32)
    )
    """,
    "CREATE INDEX IF NOT EXISTS staff_trail_subject ON staff_trail (subject_kind, subject_id, id DESC)",
    "CREATE INDEX IF NOT EXISTS staff_trail_person ON staff_trail (staff_id, id DESC)",
    # The lock is held until the row is committed: the next one continues its hash. The query sees that row because it is
    # a statement of its own; a transaction with one snapshot for all its statements would not.
    """
    CREATE OR REPLACE FUNCTION staff_trail_chained() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        last staff_trail;
    BEGIN
        IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
            RAISE EXCEPTION 'the trail is written in a READ COMMITTED transaction only'
                USING ERRCODE = 'feature_not_supported';
        END IF;
        PERFORM pg_advisory_xact_lock(1668050804);
        SELECT * INTO last FROM staff_trail ORDER BY id DESC LIMIT 1;
        NEW.id := coalesce(last.id, 0) + 1;
        NEW.prev_hash := last.hash;
        NEW.hash := sha256(coalesce(NEW.prev_hash, '') || convert_to(jsonb_build_array(
            NEW.id, extract(epoch FROM NEW.at), NEW.staff_id, NEW.who, NEW.role, NEW.session, NEW.address, NEW.kind,
            NEW.subject_kind, NEW.subject_id, NEW.reason, NEW.detail
        )::text, 'UTF8'));
        RETURN NEW;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER staff_trail_chained BEFORE INSERT ON staff_trail
        FOR EACH ROW EXECUTE FUNCTION staff_trail_chained()
    """,
    """
    CREATE OR REPLACE FUNCTION staff_trail_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the trail is never changed' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER staff_trail_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_trail
        FOR EACH STATEMENT EXECUTE FUNCTION staff_trail_is_append_only()
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE staff_trail, sign_in_attempts, staff_sessions, staff_links, staff_credentials, staff")
    op.execute("DROP FUNCTION staff_trail_chained, staff_trail_is_append_only")
