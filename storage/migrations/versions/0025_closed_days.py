"""The ledger's accounting dates, its second writer, and days that are closed."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_KINDS = "'receivable', 'clearing', 'revenue', 'refunds', 'fees', 'bank', 'chargebacks'"

STATEMENTS = [
    """
    CREATE TABLE IF NOT EXISTS accounting_period (
        one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
        zone text NOT NULL,
        first_open date NOT NULL,
        begun_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS closed_days (
        accounting_date date PRIMARY KEY,
        content json NOT NULL,
        prev_hash bytea,
        hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32)
    )
    """,
    # Rows that are there were posted for payments. A writer that names the column with NULL gets the trigger's value.
    """
    ALTER TABLE ledger_entries
        ADD COLUMN IF NOT EXISTS source text DEFAULT 'payment',
        ADD COLUMN IF NOT EXISTS accounting_date date,
        ADD COLUMN IF NOT EXISTS corrects_date date,
        DROP CONSTRAINT IF EXISTS source_founded,
        ADD CONSTRAINT source_founded CHECK (
            CASE source WHEN 'payment' THEN payment_id IS NOT NULL AND operation_id IS NOT NULL
                        ELSE source IS NOT NULL AND source IN ('clearing', 'manual') END
        ) NOT VALID,
        DROP CONSTRAINT IF EXISTS corrects_an_earlier_day,
        ADD CONSTRAINT corrects_an_earlier_day CHECK (corrects_date < accounting_date) NOT VALID
    """,
    f"""
    ALTER TABLE ledger_accounts DROP CONSTRAINT IF EXISTS ledger_accounts_kind_check,
        ADD CONSTRAINT ledger_accounts_kind_check CHECK (kind IN ({_KINDS}, 'transit', 'suspense', 'reserve',
                                                                  'adjustments', 'fx', 'fee_tax')) NOT VALID
    """,
    # The lock is shared among inserts and held until they commit: closing a day waits for those that are under way, and
    # those that come meanwhile wait for it. The query sees what closing committed because it is a statement of its own;
    # a transaction with one snapshot for all its statements would not.
    """
    CREATE OR REPLACE FUNCTION ledger_entry_dated() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        open_from date;
        posted_on date;
    BEGIN
        IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
            RAISE EXCEPTION 'ledger entries are written in a READ COMMITTED transaction only'
                USING ERRCODE = 'feature_not_supported';
        END IF;
        PERFORM pg_advisory_xact_lock_shared(1668050803);
        SELECT first_open, (NEW.posted_at AT TIME ZONE zone)::date INTO STRICT open_from, posted_on
        FROM accounting_period;
        NEW.source := coalesce(NEW.source, 'payment');
        IF NEW.accounting_date < open_from THEN
            RAISE EXCEPTION 'posting %: % is closed, the first open day is %', NEW.posting_id, NEW.accounting_date, open_from
                USING ERRCODE = 'BL002';
        END IF;
        IF NEW.accounting_date IS NULL THEN
            NEW.accounting_date := greatest(posted_on, open_from);
            IF posted_on < open_from THEN
                NEW.corrects_date := coalesce(NEW.corrects_date, posted_on);
            END IF;
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER ledger_entry_dated BEFORE INSERT ON ledger_entries
        FOR EACH ROW EXECUTE FUNCTION ledger_entry_dated()
    """,
    # A posting lies within one day: so the day's entries add up to zero.
    """
    CREATE OR REPLACE FUNCTION ledger_posting_balances() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT sum(amount) <> 0 OR count(DISTINCT currency) <> 1 OR min(accounting_date) <> max(accounting_date)
            FROM ledger_entries WHERE posting_id = NEW.posting_id) THEN
            RAISE EXCEPTION 'posting % does not balance', NEW.posting_id USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION closed_days_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a closed day is never changed or opened again' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER closed_days_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON closed_days
        FOR EACH STATEMENT EXECUTE FUNCTION closed_days_are_append_only()
    """,
    # The first day of the books may be chosen until a day is closed; no entry is under way meanwhile. A zone that Postgres
    # does not know fails here, not in every entry.
    """
    CREATE OR REPLACE FUNCTION accounting_period_follows_closed_days() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        follows date;
    BEGIN
        IF TG_OP <> 'UPDATE' THEN
            RAISE EXCEPTION 'the accounting period is never removed' USING ERRCODE = 'restrict_violation';
        END IF;
        PERFORM pg_advisory_xact_lock(1668050803);
        SELECT max(accounting_date) + 1 INTO follows FROM closed_days;
        IF NEW.first_open <> follows THEN
            RAISE EXCEPTION 'the first open day is %, the day after the last closed one', follows
                USING ERRCODE = 'restrict_violation';
        END IF;
        PERFORM now() AT TIME ZONE NEW.zone;
        RETURN NEW;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER accounting_period_kept BEFORE UPDATE OR DELETE ON accounting_period
        FOR EACH ROW EXECUTE FUNCTION accounting_period_follows_closed_days()
    """,
    """
    CREATE OR REPLACE TRIGGER accounting_period_not_truncated BEFORE TRUNCATE ON accounting_period
        FOR EACH STATEMENT EXECUTE FUNCTION accounting_period_follows_closed_days()
    """,
    # After the trigger is there: every entry that begins later has a date.
    """
    INSERT INTO accounting_period (zone, first_open, begun_at)
    VALUES ('Europe/Moscow', (clock_timestamp() AT TIME ZONE 'Europe/Moscow')::date, clock_timestamp())
    ON CONFLICT DO NOTHING
    """,
]
CONSTRAINTS = (
    ("ledger_entries", "source_founded"),
    ("ledger_entries", "corrects_an_earlier_day"),
    ("ledger_accounts", "ledger_accounts_kind_check"),
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    with op.get_context().autocommit_block():
        for table, constraint in CONSTRAINTS:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")
        op.execute("SET lock_timeout = 0")  # a build waits for older transactions, and blocks no write meanwhile
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ledger_entries_dated")  # an invalid one, left by a failed build
        # Entries are stored in the order of their dates: an index of block ranges costs an insert nothing.
        op.execute(
            "CREATE INDEX CONCURRENTLY ledger_entries_dated ON ledger_entries USING brin (accounting_date)"
            " WITH (pages_per_range = 32, autosummarize = on)"
        )
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    for statement in (
        "DROP TRIGGER ledger_entry_dated ON ledger_entries",
        "DROP FUNCTION ledger_entry_dated",
        """
        CREATE OR REPLACE FUNCTION ledger_posting_balances() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT sum(amount) <> 0 OR count(DISTINCT currency) <> 1
                FROM ledger_entries WHERE posting_id = NEW.posting_id) THEN
                RAISE EXCEPTION 'posting % does not balance', NEW.posting_id USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        END $$
        """,
        "DROP INDEX ledger_entries_dated",
        "ALTER TABLE ledger_entries DROP COLUMN corrects_date, DROP COLUMN accounting_date, DROP COLUMN source",
        "ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_accounts_kind_check,"
        f" ADD CONSTRAINT ledger_accounts_kind_check CHECK (kind IN ({_KINDS}))",
        "DROP TABLE accounting_period, closed_days",
        "DROP FUNCTION closed_days_are_append_only, accounting_period_follows_closed_days",
    ):
        op.execute(statement)
