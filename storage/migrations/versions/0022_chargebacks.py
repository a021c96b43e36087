"""Chargebacks: operations, amounts and an account of their own; and when the question under way was asked."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

STATEMENTS = [
    # NULL, from a writer that names all columns, means 0.
    """
    ALTER TABLE payments ADD COLUMN IF NOT EXISTS charged_back bigint DEFAULT 0,
        DROP CONSTRAINT IF EXISTS returned_within_captured,
        ADD CONSTRAINT returned_within_captured
            CHECK (coalesce(charged_back, 0) >= 0
                   AND refunded + refund_pending + coalesce(charged_back, 0) <= captured) NOT VALID
    """,
    """
    ALTER TABLE operations ADD COLUMN IF NOT EXISTS asked_at timestamptz,
        DROP CONSTRAINT IF EXISTS operations_type_check,
        ADD CONSTRAINT operations_type_check CHECK (type IN ('AUTHORIZE', 'CAPTURE', 'VOID', 'REFUND', 'RECURRING',
                                                             'CHARGEBACK', 'CHARGEBACK_UNDONE')) NOT VALID
    """,
    """
    ALTER TABLE ledger_accounts DROP CONSTRAINT IF EXISTS ledger_accounts_kind_check,
        ADD CONSTRAINT ledger_accounts_kind_check CHECK (kind IN ('receivable', 'clearing', 'revenue', 'refunds', 'fees',
                                                                  'bank', 'chargebacks')) NOT VALID
    """,
]
CONSTRAINTS = {
    "payments": "returned_within_captured",
    "operations": "operations_type_check",
    "ledger_accounts": "ledger_accounts_kind_check",
}


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    with op.get_context().autocommit_block():
        for table, constraint in CONSTRAINTS.items():
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")


def downgrade() -> None:
    for statement in (
        "ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_accounts_kind_check,"
        " ADD CHECK (kind IN ('receivable', 'clearing', 'revenue', 'refunds', 'fees', 'bank'))",
        "ALTER TABLE operations DROP COLUMN asked_at, DROP CONSTRAINT operations_type_check,"
        " ADD CHECK (type IN ('AUTHORIZE', 'CAPTURE', 'VOID', 'REFUND', 'RECURRING'))",
        "ALTER TABLE payments DROP CONSTRAINT returned_within_captured, DROP COLUMN charged_back",
    ):
        op.execute(statement)
