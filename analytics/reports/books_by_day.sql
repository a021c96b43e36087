-- question: What are gross revenue, refunds, fees and net revenue of each day, by the ledger?
-- param from Date -29d: first day of posting (UTC)
-- param to Date today: last day of posting
-- chart: bar x=day y=gross,refunds,net
-- money: gross,refunds,fees,net
-- example:
--   day         currency   gross  refunds  fees     net
--   2026-11-23  RUB       239600    19900     0  219700
SELECT
    toDate(posted_at) AS day,
    currency,
    -sumIf(amount, account = 'revenue') AS gross,
    sumIf(amount, account = 'refunds') AS refunds,
    sumIf(amount, account = 'fees') AS fees,
    gross - refunds - fees AS net
FROM ledger_entries
WHERE toDate(posted_at) BETWEEN {from:Date} AND {to:Date} AND account IN ('revenue', 'refunds', 'fees')
GROUP BY day, currency
ORDER BY day, currency
