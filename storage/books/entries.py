"""Rows of the ledger."""

from typing import Any

from billing.ledger.postings import Posting


def entry_rows(posting: Posting, **columns: Any) -> list[dict[str, Any]]:
    """A posting's entries by column. ``columns``: those that the posting does not know, the same in each row."""
    return [
        {
            "posting_id": posting.id,
            "line": line,
            "account": str(entry.account),
            "amount": entry.amount,
            "currency": posting.currency,
            "posted_at": posting.posted_at,
            "cause_kind": posting.cause.kind,
            "cause_id": posting.cause.id,
            **columns,
        }
        for line, entry in enumerate(posting.entries)
    ]
