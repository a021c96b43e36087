"""Every table of the Postgres schema, declared once. Statements take their column lists from here, by name.

The migrations make the schema; a test compares both. A statement that names its columns leaves alone those that a later
release adds: they keep their defaults.
"""

from storage.tables.books import ACCOUNTING_PERIOD, CLOSED_DAYS, LEDGER_ACCOUNTS, LEDGER_ENTRIES
from storage.tables.clearing import (
    CLEARING_EVENTS,
    DISCREPANCIES,
    DISCREPANCY_EVENTS,
    STATEMENT_LINES,
    STATEMENT_PARTS,
    STATEMENT_STAGING,
    STATEMENT_TOTALS,
)
from storage.tables.definition import METADATA, columns
from storage.tables.operators import APPROVALS, BULK_JOBS, BULK_ROWS, CUSTOMER_NOTES, OPERATOR_ACTIONS
from storage.tables.payments import CART_ITEMS, JOURNAL, OPERATIONS, ORDERS, PAYMENTS, PROVIDER_ALIASES, SAVED_METHODS
from storage.tables.processes import (
    API_CLIENTS,
    API_KEYS,
    JOB_RUNS,
    PROCESS_LEASES,
    PROVIDER_BREAKERS,
    PROVIDER_SWITCHES,
)
from storage.tables.staff import (
    SIGN_IN_ATTEMPTS,
    STAFF,
    STAFF_CHALLENGES,
    STAFF_CREDENTIALS,
    STAFF_IDENTITIES,
    STAFF_LINKS,
    STAFF_PASSKEYS,
    STAFF_SESSIONS,
    STAFF_TRAIL,
)
from storage.tables.streams import (
    DEAD_LETTER_RESOLUTIONS,
    DEAD_LETTERS,
    PARKED_CALLBACKS,
    PARKED_MESSAGES,
    STREAM_POSITIONS,
)
from storage.tables.subscriptions import (
    CONSENTS,
    PLANS,
    PRICES,
    RENEWAL_ATTEMPTS,
    SUBSCRIPTION_PERIODS,
    SUBSCRIPTIONS,
    TEST_CLOCKS,
)

__all__ = [
    "ACCOUNTING_PERIOD",
    "API_CLIENTS",
    "API_KEYS",
    "APPROVALS",
    "BULK_JOBS",
    "BULK_ROWS",
    "CART_ITEMS",
    "CLEARING_EVENTS",
    "CLOSED_DAYS",
    "CONSENTS",
    "CUSTOMER_NOTES",
    "DEAD_LETTERS",
    "DEAD_LETTER_RESOLUTIONS",
    "DISCREPANCIES",
    "DISCREPANCY_EVENTS",
    "JOB_RUNS",
    "JOURNAL",
    "LEDGER_ACCOUNTS",
    "LEDGER_ENTRIES",
    "METADATA",
    "OPERATIONS",
    "OPERATOR_ACTIONS",
    "ORDERS",
    "PARKED_CALLBACKS",
    "PARKED_MESSAGES",
    "PAYMENTS",
    "PLANS",
    "PRICES",
    "PROCESS_LEASES",
    "PROVIDER_ALIASES",
    "PROVIDER_BREAKERS",
    "PROVIDER_SWITCHES",
    "RENEWAL_ATTEMPTS",
    "SAVED_METHODS",
    "SIGN_IN_ATTEMPTS",
    "STAFF",
    "STAFF_CHALLENGES",
    "STAFF_CREDENTIALS",
    "STAFF_IDENTITIES",
    "STAFF_LINKS",
    "STAFF_PASSKEYS",
    "STAFF_SESSIONS",
    "STAFF_TRAIL",
    "STATEMENT_LINES",
    "STATEMENT_PARTS",
    "STATEMENT_STAGING",
    "STATEMENT_TOTALS",
    "STREAM_POSITIONS",
    "SUBSCRIPTIONS",
    "SUBSCRIPTION_PERIODS",
    "TEST_CLOCKS",
    "columns",
]
