"""The auditor's queries about what clearing books. They share nothing with the code that books it."""

from typing import Final

#: A run is under way, so its lines may not be booked yet.
_RUNS: Final = """
    EXISTS (
        SELECT FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.classid = CAST(x'636C6561' AS integer) AND l.granted
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
"""

#: Kind of violation → query for ``(id, detail)``; the id is a discrepancy, or a provider with a business day and a
#: currency. Amounts are minor units.
SETTLEMENT: Final[dict[str, str]] = {
    "suspense_unbound": f"""
        WITH held AS (
            SELECT cause_kind || ':' || cause_id AS cause, trim(currency) AS currency, sum(amount) AS amount
            FROM ledger_entries WHERE source = 'clearing' AND split_part(account, ':', 1) = 'suspense'
            GROUP BY 1, 2 HAVING sum(amount) <> 0
        ), apart AS (
            SELECT id, trim(coalesce(detail ->> 'their_currency', currency)) AS currency, theirs AS amount
            FROM discrepancies
            WHERE state IN ('OPEN', 'PERSON', 'RESOLVED') AND currency IS NOT NULL AND theirs IS NOT NULL
            UNION ALL
            SELECT id, trim(currency), -coalesce(ours, 0) FROM discrepancies
            WHERE state IN ('OPEN', 'PERSON', 'RESOLVED') AND currency IS NOT NULL AND theirs IS NOT NULL
        ), bound AS (
            SELECT 'discrepancy:' || id AS cause, currency, -sum(amount) AS amount
            FROM apart GROUP BY 1, 2 HAVING sum(amount) <> 0
        )
        SELECT coalesce(h.cause, b.cause),
               format('suspense holds %s %s, what is open of it is %s', coalesce(h.amount, 0), currency, coalesce(b.amount, 0))
        FROM held h FULL JOIN bound b USING (cause, currency)
        WHERE coalesce(h.amount, 0) <> coalesce(b.amount, 0) AND NOT {_RUNS}
          AND NOT EXISTS (
              SELECT FROM discrepancies d
              WHERE 'discrepancy:' || d.id = coalesce(h.cause, b.cause) AND d.posted_version IS DISTINCT FROM d.version
          )
    """,  # noqa: S608 - of constants
    "settlement_unposted": f"""
        WITH stated AS (
            SELECT provider || '/' || business_date AS day, trim(coalesce(settlement_currency, currency)) AS currency,
                   sum(coalesce(fee, 0)
                       - CASE WHEN kind IN ('fee', 'adjustment', 'payout', 'payout_failed', 'reserve', 'release')
                              THEN coalesce(settled, amount) ELSE 0 END) AS amount
            FROM statement_lines WHERE withdrawn_at IS NULL GROUP BY 1, 2
        ), posted AS (
            SELECT substring(cause_id FROM '^(.*/[0-9-]+)/') AS day, trim(currency) AS currency, sum(amount) AS amount
            FROM ledger_entries
            WHERE source = 'clearing' AND cause_kind = 'statement'
              AND split_part(account, ':', 1) IN ('fees', 'fee_tax', 'adjustments', 'transit', 'reserve')
            GROUP BY 1, 2
        )
        SELECT day || '/' || currency,
               format('the lines say %s beside payments, booked are %s', coalesce(s.amount, 0), coalesce(p.amount, 0))
        FROM stated s FULL JOIN posted p USING (day, currency)
        WHERE coalesce(s.amount, 0) <> coalesce(p.amount, 0) AND NOT {_RUNS} AND EXISTS (
            SELECT FROM job_runs r
            WHERE r.job = 'clearing:' || split_part(day, '/', 1) AND r.business_date = split_part(day, '/', 2)::date
              AND r.finished_at IS NOT NULL
        )
    """,  # noqa: S608 - of constants
}
