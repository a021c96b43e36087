-- question: How much money do providers hold for us that is not paid out, by age of the postings?
-- param as_of Date today: day from which age is counted (UTC)
-- param from Date -365d: oldest day of posting
-- chart: bar x=age_days y=amount by=provider
-- money: amount
-- example:
--   provider    currency  age_days  postings  amount
--   yandex-pay  RUB       0-1            120  358800
--   yandex-pay  RUB       2-6             40  119600
SELECT
    splitByChar(':', account)[2] AS provider,
    currency,
    multiIf(days <= 1, '0-1', days <= 6, '2-6', days <= 29, '7-29', '30+') AS age_days,
    uniqExact(posting_id) AS postings,
    sum(amount) AS amount
FROM
(
    SELECT account, currency, posting_id, amount, dateDiff('day', toDate(posted_at), {as_of:Date}) AS days
    FROM ledger_entries
    WHERE toDate(posted_at) BETWEEN {from:Date} AND {as_of:Date} AND startsWith(account, 'clearing:')
)
GROUP BY provider, currency, age_days
ORDER BY provider, currency, min(days)
