"""What statements add up to, and which discrepancies are in the books; the entries of clearing by cause."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

COLUMNS = "kind, method, currency, settlement_currency, lines, amount, settled, fee, fee_tax"
#: What is there already is added up once.
FILL = f"""
    INSERT INTO statement_totals (provider, business_date, {COLUMNS})
    SELECT provider, business_date, kind, coalesce(method, ''), currency, coalesce(settlement_currency, currency),
           count(*), sum(amount), sum(coalesce(settled, amount)), sum(coalesce(fee, 0)), sum(coalesce(fee_tax, 0))
    FROM statement_lines WHERE withdrawn_at IS NULL GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT DO NOTHING
"""  # noqa: S608

INDEXES = {
    "discrepancies_unposted": "discrepancies (provider) WHERE posted_version IS DISTINCT FROM version",
    "ledger_entries_cause": "ledger_entries (cause_id, cause_kind) WHERE source = 'clearing'",
}


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS statement_totals (
            provider text NOT NULL,
            business_date date NOT NULL,
            kind text NOT NULL,
            method text NOT NULL,
            currency char(3) NOT NULL,
            settlement_currency char(3) NOT NULL,
            lines integer NOT NULL CHECK (lines > 0),
            amount bigint NOT NULL,
            settled bigint NOT NULL,
            fee bigint NOT NULL,
            fee_tax bigint NOT NULL,
            PRIMARY KEY (provider, business_date, kind, method, currency, settlement_currency)
        )
        """
    )
    op.execute(FILL)
    op.execute("ALTER TABLE discrepancies ADD COLUMN IF NOT EXISTS posted_version integer")
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # a build waits for older transactions, and blocks no write meanwhile
        for name, index in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # an invalid one, left by a failed build
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {index}")
        op.execute("SET lock_timeout = '2s'")


def downgrade() -> None:
    op.execute("DROP INDEX ledger_entries_cause")
    op.execute("ALTER TABLE discrepancies DROP COLUMN posted_version")
    op.execute("DROP TABLE statement_totals")
