-- question: What did the providers pay out on each business day?
-- param from Date -29d: first business day of statements
-- param to Date today: last business day
-- column paid_out: of payouts
-- column came_back: of payouts that failed
-- column fees: kept for payouts
-- chart: bar x=day y=paid_out by=provider
-- money: paid_out,came_back,fees
-- example:
--   day         provider  currency  payouts  paid_out  failed  came_back  fees
--   2026-11-22  tbank     RUB             1    352810       0          0     0
SELECT
    business_date AS day,
    provider,
    currency,
    countIf(kind = 'payout') AS payouts,
    -sumIf(amount, kind = 'payout') AS paid_out,
    countIf(kind = 'payout_failed') AS failed,
    sumIf(amount, kind = 'payout_failed') AS came_back,
    sum(ifNull(fee, 0)) AS fees
FROM payouts
WHERE business_date BETWEEN {from:Date} AND {to:Date} AND NOT withdrawn
GROUP BY day, provider, currency
ORDER BY day, provider, currency
