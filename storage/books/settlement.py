"""Postings that belong to no payment: written by clearing, the ledger's second writer.

What is posted is the difference between what the ledger is to hold for a cause and what it holds: a repeat posts nothing.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing.settlement import Balances, postings
from billing.ledger.accounts import Account, AccountKind
from billing.ledger.postings import Cause, Posting
from storage.books.closing import LEDGER_LOCK
from storage.books.entries import entry_rows

_SHARE = text("SELECT pg_advisory_xact_lock_shared(:key)")
_POSTED = text(
    """
    SELECT cause_kind, cause_id, account, trim(currency), sum(amount)::bigint, array_agg(DISTINCT posting_id)
    FROM ledger_entries
    WHERE source = 'clearing' AND (cause_kind, cause_id) IN (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[])))
    GROUP BY 1, 2, 3, 4
    """
)
_ACCOUNTS = text(
    """
    INSERT INTO ledger_accounts (code, kind, provider)
    SELECT DISTINCT account, split_part(account, ':', 1), nullif(split_part(account, ':', 2), '')
    FROM json_populate_recordset(NULL::ledger_entries, CAST(:rows AS json))
    ON CONFLICT DO NOTHING
    """
)
# A day that is closed is corrected on the first open one. It cannot be closed before this transaction ends.
_POST = text(
    """
    INSERT INTO ledger_entries (posting_id, line, account, amount, currency, posted_at, cause_kind, cause_id, source,
                                accounting_date, corrects_date)
    SELECT r.posting_id, r.line, r.account, r.amount, r.currency, r.posted_at, r.cause_kind, r.cause_id, 'clearing',
           greatest(r.accounting_date, p.first_open), CASE WHEN r.accounting_date < p.first_open THEN r.accounting_date END
    FROM json_populate_recordset(NULL::ledger_entries, CAST(:rows AS json)) r, accounting_period p
    """
)


async def post(
    connection: AsyncConnection, wanted: Mapping[Cause, tuple[date, Balances]], now: datetime
) -> list[Posting]:
    """Post what is missing for these causes, in the caller's READ COMMITTED transaction; returns it. ``wanted``: the
    accounting date, and what the ledger is to hold in all; for a date that is closed the first open one is taken, and the
    entries name the date that they correct. The caller holds the lock of the provider whose causes they are."""
    if not wanted:
        return []
    await connection.execute(_SHARE, {"key": LEDGER_LOCK})
    kinds, ids = [cause.kind.value for cause in wanted], [cause.id for cause in wanted]
    posted: dict[tuple[str, str], Balances] = {}
    earlier: dict[tuple[str, str], set[UUID]] = {}
    for kind, id, account, currency, amount, made in await connection.execute(_POSTED, {"kinds": kinds, "ids": ids}):
        posted.setdefault((kind, id), Counter())[_account(account), currency] = amount
        earlier.setdefault((kind, id), set()).update(made)
    new, rows = [], []
    for cause, (day, balances) in wanted.items():
        key = cause.kind.value, cause.id
        for posting in postings(cause, balances, posted.get(key, Counter()), len(earlier.get(key, ())), now):
            new.append(posting)
            rows += entry_rows(posting, accounting_date=day)
    if rows:
        values = {"rows": msgspec.json.encode(rows).decode()}
        await connection.execute(_ACCOUNTS, values)
        await connection.execute(_POST, values)
    return new


def _account(code: str) -> Account:
    kind, _, provider = code.partition(":")
    return Account(AccountKind(kind), provider or None)
