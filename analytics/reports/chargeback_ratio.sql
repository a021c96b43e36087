-- question: What share of the captured amount was charged back (the account chargebacks)?
-- param from Date -29d: first day of posting (UTC)
-- param to Date today: last day
-- column disputed: number of payments with a chargeback
-- chart: bar x=provider y=chargebacks_percent
-- money: gross,chargebacks
-- example:
--   provider    currency   gross  chargebacks  disputed  chargebacks_percent
--   yandex-pay  RUB       478400        29900         1                 6.25
SELECT
    provider,
    currency,
    -sumIf(amount, account = 'revenue') AS gross,
    sumIf(amount, account = 'chargebacks' AND amount > 0) AS chargebacks,
    uniqExactIf(payment_id, account = 'chargebacks' AND amount > 0) AS disputed,
    round(100 * chargebacks / greatest(gross, 1), 2) AS chargebacks_percent
FROM ledger_entries
WHERE toDate(posted_at) BETWEEN {from:Date} AND {to:Date} AND account IN ('revenue', 'chargebacks')
GROUP BY provider, currency
ORDER BY provider, currency
