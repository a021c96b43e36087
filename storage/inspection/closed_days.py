"""The auditor's queries about accounting dates and closed days. They share nothing with the code that closes a day."""

from typing import Final

_KEPT: Final = """
    kept AS (
        SELECT d.accounting_date, a.* FROM closed_days d, json_to_recordset(d.content -> 'accounts')
            AS a (account text, currency text, opening bigint, debit bigint, credit bigint, closing bigint)
    )
"""

#: Kind of violation → query for ``(id, detail)``; the id is a day, a day with account and currency, or a posting. Amounts
#: are minor units.
CLOSED_DAYS: Final[dict[str, str]] = {
    # An operator's action keeps the hash too, in another table that is never changed.
    "chain_broken": """
        WITH links AS (
            SELECT accounting_date, content, prev_hash, hash, lag(hash) OVER days AS before,
                   lag(accounting_date) OVER days AS day_before
            FROM closed_days WINDOW days AS (ORDER BY accounting_date)
        )
        SELECT id, detail FROM (
            SELECT accounting_date::text AS id, CASE
                WHEN hash <> sha256(coalesce(prev_hash, '') || convert_to(content::text, 'UTF8'))
                    THEN 'the hash is not that of the content'
                WHEN content ->> 'accounting_date' <> accounting_date::text
                    THEN 'the content is that of ' || (content ->> 'accounting_date')
                WHEN prev_hash IS DISTINCT FROM before THEN 'it does not continue the hash of the day before it'
                WHEN accounting_date <> day_before + 1 THEN 'the day closed before it is ' || day_before
            END AS detail FROM links
            UNION ALL
            SELECT first_open::text, 'it is the first open day, and the last closed one is ' || last
            FROM accounting_period, (SELECT max(accounting_date) AS last FROM closed_days) AS days
            WHERE first_open <> last + 1
            UNION ALL
            SELECT a.subject_id, a.actor || ' closed it with the hash ' || (a.details ->> 'hash')
            FROM operator_actions a
            WHERE a.action = 'close_day' AND a.outcome = 'done' AND NOT EXISTS (
                SELECT FROM closed_days d
                WHERE d.accounting_date::text = a.subject_id AND encode(d.hash, 'hex') = a.details ->> 'hash'
            )
        ) AS broken WHERE detail IS NOT NULL
    """,
    "trial_balance_nonzero": f"""
        WITH {_KEPT}, sums AS (
            SELECT accounting_date, currency, sum(opening) AS opening, sum(debit) - sum(credit) AS moved,
                   sum(closing) AS closing FROM kept GROUP BY 1, 2
        )
        SELECT accounting_date || '/' || currency,
               format('opening balances add up to %s, turnover to %s, closing balances to %s', opening, moved, closing)
        FROM sums WHERE opening <> 0 OR moved <> 0 OR closing <> 0
        UNION ALL
        SELECT accounting_date || '/' || account || '/' || currency,
               format('%s + %s - %s is not %s', opening, debit, credit, closing)
        FROM kept WHERE opening + debit - credit <> closing
        UNION ALL
        SELECT accounting_date || '/' || trim(currency), format('the entries add up to %s', sum(amount))
        FROM ledger_entries WHERE accounting_date IS NOT NULL
        GROUP BY accounting_date, currency HAVING sum(amount) <> 0
    """,  # noqa: S608 - of constants
    "closed_day_changed": f"""
        WITH {_KEPT}, posted AS (
            SELECT accounting_date, account, trim(currency) AS currency,
                   coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS debit,
                   coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS credit
            FROM ledger_entries WHERE accounting_date IN (SELECT accounting_date FROM closed_days) GROUP BY 1, 2, 3
        ), opened AS (
            SELECT days.first AS accounting_date, account, trim(currency) AS currency, sum(amount) AS opening
            FROM ledger_entries, (SELECT min(accounting_date) AS first FROM closed_days) AS days
            WHERE days.first IS NOT NULL AND (accounting_date IS NULL OR accounting_date < days.first)
            GROUP BY 1, 2, 3
            UNION ALL
            SELECT accounting_date + 1, account, currency, closing FROM kept
            WHERE accounting_date < (SELECT max(accounting_date) FROM closed_days)
        )
        SELECT accounting_date || '/' || account || '/' || currency,
               format('closed with debits of %s and credits of %s, the ledger has %s and %s', coalesce(k.debit, 0),
                      coalesce(k.credit, 0), coalesce(p.debit, 0), coalesce(p.credit, 0))
        FROM kept k FULL JOIN posted p USING (accounting_date, account, currency)
        WHERE (coalesce(k.debit, 0), coalesce(k.credit, 0)) <> (coalesce(p.debit, 0), coalesce(p.credit, 0))
        UNION ALL
        SELECT accounting_date || '/' || account || '/' || currency,
               format('opened with %s, and %s is before it', coalesce(k.opening, 0), coalesce(o.opening, 0))
        FROM kept k FULL JOIN opened o USING (accounting_date, account, currency)
        WHERE coalesce(k.opening, 0) <> coalesce(o.opening, 0)
    """,  # noqa: S608 - of constants
    # The clocks of workers and of Postgres may differ when the first dates are given.
    "entry_undated": """
        SELECT posting_id, format('line %s, posted at %s, has no accounting date', line, posted_at)
        FROM ledger_entries, accounting_period
        WHERE accounting_date IS NULL AND posted_at > begun_at + interval '1 hour'
    """,
}
