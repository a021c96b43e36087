"""Payments, orders, operations, journal, ledger, stream positions, parked callbacks."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = [
    """
    CREATE TABLE orders (
        id uuid PRIMARY KEY,
        customer_id text NOT NULL,
        currency char(3) NOT NULL,
        amount bigint NOT NULL CHECK (amount > 0),
        return_urls jsonb,
        contact jsonb,
        metadata jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX orders_customer ON orders (customer_id, created_at)",
    """
    CREATE TABLE cart_items (
        order_id uuid NOT NULL REFERENCES orders,
        position smallint NOT NULL,
        product_id text NOT NULL,
        title text NOT NULL,
        quantity integer NOT NULL CHECK (quantity > 0),
        unit_price bigint NOT NULL CHECK (unit_price >= 0),
        type text NOT NULL CHECK (type IN ('PHYSICAL', 'DIGITAL', 'UNSPECIFIED')),
        tax text NOT NULL,
        subject smallint NOT NULL,
        method smallint NOT NULL,
        measure smallint NOT NULL,
        PRIMARY KEY (order_id, position)
    )
    """,
    """
    CREATE TABLE payments (
        id uuid PRIMARY KEY,
        client_id text NOT NULL,
        fingerprint text NOT NULL,
        order_id uuid NOT NULL UNIQUE REFERENCES orders,
        provider text NOT NULL,
        capture_mode text NOT NULL CHECK (capture_mode IN ('ONE_STAGE', 'TWO_STAGE')),
        status text NOT NULL CHECK (status IN ('PENDING', 'AUTHORIZED', 'CAPTURED', 'VOIDED', 'PARTIALLY_REFUNDED',
                                               'REFUNDED', 'FAILED', 'EXPIRED')),
        version integer NOT NULL CHECK (version > 0),
        order_ref text NOT NULL,
        currency char(3) NOT NULL,
        amount bigint NOT NULL CHECK (amount > 0),
        authorized bigint NOT NULL,
        captured bigint NOT NULL,
        refunded bigint NOT NULL,
        refund_pending bigint NOT NULL,
        payment_url text,
        reason text,
        hold_s integer NOT NULL,
        save_method boolean NOT NULL,
        saved_method text,
        method_ref text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT authorized_within_amount CHECK (authorized BETWEEN 0 AND amount),
        CONSTRAINT captured_within_authorized CHECK (captured BETWEEN 0 AND authorized),
        CONSTRAINT refunded_within_captured CHECK (refunded >= 0 AND refund_pending >= 0
                                                   AND refunded + refund_pending <= captured)
    )
    """,
    # Finished payments leave this index: it stays as small as what is under way.
    """
    CREATE INDEX payments_unfinished ON payments (provider, status, created_at)
        WHERE status IN ('PENDING', 'AUTHORIZED')
    """,
    """
    CREATE TABLE operations (
        id uuid PRIMARY KEY,
        payment_id uuid NOT NULL REFERENCES payments,
        type text NOT NULL CHECK (type IN ('AUTHORIZE', 'CAPTURE', 'VOID', 'REFUND', 'RECURRING')),
        action text NOT NULL,
        status text NOT NULL CHECK (status IN ('PENDING', 'SUCCESS', 'FAIL', 'UNKNOWN')),
        amount bigint NOT NULL CHECK (amount > 0),
        provider text NOT NULL,
        provider_ref text,
        outcome text,
        reason text,
        chases integer NOT NULL,
        next_chase_at timestamptz,
        cart jsonb,
        corrections uuid[] NOT NULL,
        version integer NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX operations_payment ON operations (payment_id)",
    "CREATE INDEX operations_chase ON operations (next_chase_at) WHERE next_chase_at IS NOT NULL",
    # Where the provider names the order itself, its callbacks carry that name alone.
    "CREATE INDEX operations_provider_ref ON operations (provider_ref) WHERE provider_ref IS DISTINCT FROM id::text",
    """
    CREATE TABLE journal (
        recorded_at timestamptz NOT NULL,
        stream_partition integer NOT NULL,
        stream_offset bigint NOT NULL,
        payment_id uuid NOT NULL,
        version integer,
        message_id text NOT NULL,
        type text NOT NULL,
        actor text,
        message jsonb NOT NULL,
        outputs jsonb NOT NULL,
        PRIMARY KEY (stream_partition, stream_offset, recorded_at)
    ) PARTITION BY RANGE (recorded_at)
    """,
    "CREATE INDEX journal_payment ON journal (payment_id)",
    "CREATE TABLE journal_default PARTITION OF journal DEFAULT",
    """
    CREATE TABLE ledger_accounts (
        code text PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('receivable', 'clearing', 'revenue', 'refunds', 'fees', 'bank')),
        provider text
    )
    """,
    """
    CREATE TABLE ledger_entries (
        posting_id uuid NOT NULL,
        line smallint NOT NULL,
        account text NOT NULL REFERENCES ledger_accounts,
        amount bigint NOT NULL CHECK (amount <> 0),
        currency char(3) NOT NULL,
        payment_id uuid NOT NULL REFERENCES payments,
        operation_id uuid NOT NULL REFERENCES operations,
        posted_at timestamptz NOT NULL,
        PRIMARY KEY (posting_id, line)
    )
    """,
    "CREATE INDEX ledger_entries_account ON ledger_entries (account, posted_at)",
    "CREATE INDEX ledger_entries_operation ON ledger_entries (operation_id)",
    """
    CREATE FUNCTION ledger_posting_balances() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT sum(amount) <> 0 OR count(DISTINCT currency) <> 1
            FROM ledger_entries WHERE posting_id = NEW.posting_id) THEN
            RAISE EXCEPTION 'posting % does not balance', NEW.posting_id USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_balance AFTER INSERT ON ledger_entries
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_posting_balances()
    """,
    """
    CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'ledger entries are never changed, only reversed' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()
    """,
    """
    CREATE TABLE stream_positions (
        consumer text NOT NULL,
        topic text NOT NULL,
        partition integer NOT NULL,
        next_offset bigint NOT NULL DEFAULT 0 CHECK (next_offset >= 0),
        published_offset bigint NOT NULL DEFAULT 0,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (consumer, topic, partition),
        CHECK (published_offset BETWEEN 0 AND next_offset)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE parked_callbacks (
        id text PRIMARY KEY,
        provider text NOT NULL,
        body bytea NOT NULL,
        received_at timestamptz NOT NULL,
        tries integer NOT NULL DEFAULT 0,
        next_try_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX parked_callbacks_due ON parked_callbacks (next_try_at)",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in (
        "parked_callbacks", "stream_positions", "ledger_entries", "ledger_accounts", "journal", "operations",
        "payments", "cart_items", "orders",
    ):  # fmt: skip
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION ledger_posting_balances, ledger_is_append_only")
