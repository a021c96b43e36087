"""Subscriptions, their prices, periods and attempts; the runs of scheduled jobs; test clocks."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # Ids of type uuid and text in one exclusion constraint.
    "CREATE EXTENSION IF NOT EXISTS btree_gist",
    """
    CREATE TABLE IF NOT EXISTS plans (
        client_id text NOT NULL,
        id text NOT NULL CHECK (id <> ''),
        plan_group text NOT NULL CHECK (plan_group <> ''),
        title text NOT NULL,
        created_at timestamptz NOT NULL,
        archived_at timestamptz,
        PRIMARY KEY (client_id, id)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS prices (
        id uuid PRIMARY KEY,
        client_id text NOT NULL,
        plan text NOT NULL,
        version integer NOT NULL CHECK (version > 0),
        currency char(3) NOT NULL,
        amount bigint NOT NULL CHECK (amount > 0),
        terms jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        UNIQUE (client_id, plan, currency, version),
        FOREIGN KEY (client_id, plan) REFERENCES plans (client_id, id)
    )
    """,
    """
    CREATE OR REPLACE FUNCTION price_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a price never changes: make a new version' USING ERRCODE = '23514';
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER prices_immutable BEFORE UPDATE OR DELETE ON prices
    FOR EACH ROW EXECUTE FUNCTION price_is_immutable()
    """,
    """
    CREATE TABLE IF NOT EXISTS consents (
        id uuid PRIMARY KEY,
        subscription_id uuid NOT NULL,
        life integer NOT NULL,
        given_at timestamptz NOT NULL,
        terms_sha256 text NOT NULL,
        shown jsonb NOT NULL DEFAULT '{}',
        address text,
        agent text
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS test_clocks (
        id uuid PRIMARY KEY,
        client_id text NOT NULL,
        name text NOT NULL,
        now_at timestamptz NOT NULL,
        target_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        CHECK (target_at >= now_at)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS subscriptions (
        id uuid PRIMARY KEY,
        client_id text NOT NULL,
        plan_group text NOT NULL,
        customer_id text NOT NULL,
        life integer NOT NULL,
        status text NOT NULL CHECK (status IN ('INCOMPLETE', 'ACTIVE', 'PAST_DUE', 'ON_HOLD', 'ENDED')),
        version integer NOT NULL,
        plan text NOT NULL,
        price_id uuid NOT NULL,
        currency char(3) NOT NULL,
        amount bigint NOT NULL,
        provider text NOT NULL,
        method_id uuid,
        period_end_at timestamptz,
        access_until timestamptz,
        next_action text,
        next_action_at timestamptz,
        clock_id uuid,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        state jsonb NOT NULL,
        UNIQUE (client_id, plan_group, customer_id),
        CONSTRAINT looked_after CHECK ((status = 'ENDED') = (next_action_at IS NULL))
    ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)
    """,
    """
    CREATE INDEX IF NOT EXISTS subscriptions_due ON subscriptions (provider, next_action_at, id)
    WHERE next_action_at IS NOT NULL AND clock_id IS NULL
    """,
    """
    CREATE INDEX IF NOT EXISTS subscriptions_clock ON subscriptions (clock_id, next_action_at, id)
    WHERE clock_id IS NOT NULL
    """,
    """
    CREATE INDEX IF NOT EXISTS subscriptions_access ON subscriptions (provider, access_until)
    WHERE access_until IS NOT NULL AND clock_id IS NULL
    """,
    "CREATE INDEX IF NOT EXISTS subscriptions_list ON subscriptions (client_id, created_at DESC, id DESC)",
    """
    CREATE INDEX IF NOT EXISTS subscriptions_list_status
    ON subscriptions (client_id, status, created_at DESC, id DESC)
    """,
    "CREATE INDEX IF NOT EXISTS subscriptions_method ON subscriptions (method_id) WHERE method_id IS NOT NULL",
    """
    CREATE TABLE IF NOT EXISTS subscription_periods (
        subscription_id uuid NOT NULL REFERENCES subscriptions (id),
        number integer NOT NULL,
        life integer NOT NULL,
        start_at timestamptz NOT NULL,
        end_at timestamptz NOT NULL,
        price_id uuid NOT NULL,
        amount bigint NOT NULL CHECK (amount > 0),
        currency char(3) NOT NULL,
        status text NOT NULL CHECK (status IN ('PAID', 'OPEN', 'REFUNDED', 'CUT')),
        paid_by uuid NOT NULL UNIQUE,
        version integer NOT NULL,
        PRIMARY KEY (subscription_id, number),
        CHECK (end_at > start_at),
        -- Deferred: one statement may cut a period and write the next, in whatever order.
        CONSTRAINT sold_once EXCLUDE USING gist (subscription_id WITH =, tstzrange(start_at, end_at) WITH &&)
            WHERE (status IN ('PAID', 'CUT')) DEFERRABLE INITIALLY DEFERRED
    )
    """,
    "CREATE INDEX IF NOT EXISTS subscription_periods_end ON subscription_periods (end_at)",
    """
    CREATE TABLE IF NOT EXISTS renewal_attempts (
        payment_id uuid PRIMARY KEY,
        subscription_id uuid NOT NULL REFERENCES subscriptions (id),
        period integer NOT NULL,
        number integer NOT NULL,
        purpose text NOT NULL,
        trigger text NOT NULL,
        state text NOT NULL CHECK (state IN
            ('REQUESTED', 'PENDING', 'UNKNOWN', 'NOT_SENT', 'PAID', 'FAILED', 'WITHDRAWN', 'STRAY')),
        decline text,
        reason text,
        amount bigint NOT NULL CHECK (amount > 0),
        currency char(3) NOT NULL,
        provider text NOT NULL,
        method_id uuid,
        requested_at timestamptz NOT NULL,
        ended_at timestamptz,
        version integer NOT NULL,
        UNIQUE (subscription_id, period, number),
        CONSTRAINT one_open_attempt EXCLUDE USING gist (subscription_id WITH =)
            WHERE (state IN ('REQUESTED', 'PENDING', 'UNKNOWN', 'NOT_SENT')) DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT one_payment_per_period EXCLUDE USING gist (subscription_id WITH =, period WITH =)
            WHERE (state = 'PAID') DEFERRABLE INITIALLY DEFERRED
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS renewal_attempts_unanswered ON renewal_attempts (provider)
    WHERE state = 'REQUESTED' AND purpose = 'RENEWAL'
    """,
    """
    CREATE INDEX IF NOT EXISTS renewal_attempts_method ON renewal_attempts (method_id, requested_at)
    WHERE method_id IS NOT NULL
    """,
    """
    CREATE TABLE IF NOT EXISTS job_runs (
        job text NOT NULL,
        business_date date NOT NULL,
        started_at timestamptz NOT NULL,
        finished_at timestamptz,
        counts jsonb NOT NULL DEFAULT '{}',
        braked_at timestamptz,
        brake text,
        released_by text,
        release_reason text,
        PRIMARY KEY (job, business_date)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("job_runs", "renewal_attempts", "subscription_periods", "subscriptions", "test_clocks", "consents"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP TABLE prices")
    op.execute("DROP TABLE plans")
    op.execute("DROP FUNCTION price_is_immutable()")
