"""Statements of providers, discrepancies between them and the books, and their history."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    line = """
        line_ref text NOT NULL,
        kind text NOT NULL,
        amount bigint NOT NULL,
        currency char(3) NOT NULL,
        settled bigint,
        settlement_currency char(3),
        fee bigint,
        fee_tax bigint,
        at timestamptz NOT NULL,
        available_on date,
        own_id uuid,
        order_ref text,
        provider_ref text,
        aliases text[],
        payout_ref text,
        method text,
        status text,
        raw_type text,
        test boolean NOT NULL,
        content uuid NOT NULL
    """
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS statement_lines (
            provider text NOT NULL,
            business_date date NOT NULL,
            {line},
            occurrence integer NOT NULL CHECK (occurrence > 0),
            earlier bigint[],
            payment_id uuid,
            operation_id uuid,
            matched_by text,
            withdrawn_at timestamptz,
            PRIMARY KEY (provider, business_date, line_ref, occurrence)
        )
        """
    )
    op.execute(
        "CREATE INDEX IF NOT EXISTS statement_lines_operation ON statement_lines (operation_id) WHERE operation_id IS NOT NULL"
    )
    # Few: what agrees has its operation.
    op.execute(
        """
        CREATE INDEX IF NOT EXISTS statement_lines_loose ON statement_lines (provider, business_date)
        WHERE operation_id IS NULL AND kind IN ('charge', 'refund', 'refund_undone', 'chargeback', 'chargeback_undone', 'other')
        """
    )
    op.execute(
        f"""
        CREATE UNLOGGED TABLE IF NOT EXISTS statement_staging (
            provider text NOT NULL,
            business_date date NOT NULL,
            part text NOT NULL,
            number integer NOT NULL,
            {line},
            PRIMARY KEY (provider, business_date, part, number)
        )
        """
    )
    op.execute(
        """
        CREATE UNLOGGED TABLE IF NOT EXISTS statement_parts (
            provider text NOT NULL,
            business_date date NOT NULL,
            part text NOT NULL,
            cursor text,
            lines integer NOT NULL,
            read_at timestamptz,
            PRIMARY KEY (provider, business_date, part)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS discrepancies (
            id uuid PRIMARY KEY,
            provider text NOT NULL,
            subject text NOT NULL,
            kind text NOT NULL,
            severity text NOT NULL,
            state text NOT NULL CHECK (state IN ('EXPECTED', 'OPEN', 'PERSON', 'RESOLVED', 'CLOSED')),
            business_date date NOT NULL,
            payment_id uuid,
            operation_id uuid,
            currency char(3),
            ours bigint,
            theirs bigint,
            detail jsonb NOT NULL DEFAULT '{}',
            owner text,
            due_at timestamptz,
            asked integer NOT NULL DEFAULT 0,
            asked_for date,
            resolution text,
            confirm_by date,
            version integer NOT NULL,
            opened_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            closed_at timestamptz,
            CHECK ((state = 'CLOSED') = (closed_at IS NOT NULL))
        )
        """
    )
    op.execute("CREATE INDEX IF NOT EXISTS discrepancies_open ON discrepancies (provider, business_date) WHERE state <> 'CLOSED'")
    op.execute("CREATE INDEX IF NOT EXISTS discrepancies_day ON discrepancies (business_date, provider)")
    op.execute("CREATE INDEX IF NOT EXISTS discrepancies_payment ON discrepancies (payment_id) WHERE payment_id IS NOT NULL")
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS discrepancy_events (
            discrepancy_id uuid NOT NULL REFERENCES discrepancies,
            version integer NOT NULL,
            at timestamptz NOT NULL,
            actor text NOT NULL,
            event text NOT NULL,
            kind text NOT NULL,
            state text NOT NULL,
            reason text,
            evidence jsonb NOT NULL DEFAULT '{}',
            PRIMARY KEY (discrepancy_id, version)
        )
        """
    )
    op.execute(
        """
        CREATE OR REPLACE FUNCTION discrepancy_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the history of a discrepancy is never changed';
        END $$
        """
    )
    op.execute(
        """
        CREATE OR REPLACE TRIGGER discrepancy_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON discrepancy_events
        FOR EACH STATEMENT EXECUTE FUNCTION discrepancy_events_are_append_only()
        """
    )


def downgrade() -> None:
    for table in ("discrepancy_events", "discrepancies", "statement_parts", "statement_staging", "statement_lines"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION discrepancy_events_are_append_only")
