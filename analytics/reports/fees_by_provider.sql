-- question: What do the providers keep of what is charged, by method?
-- param from Date -29d: first business day of statements
-- param to Date today: last business day
-- column method: how the customer paid, by the provider's name of it
-- column charges: lines of charges
-- column untold: of these, lines without a fee; they count in no other column
-- column charged: of the charges whose fee is told, in the currency of settlement
-- column fees: tax included, less what was given back; rows that are only a fee count too
-- column fee_percent: fees as a share of charged
-- chart: bar x=provider y=fee_percent by=method
-- money: charged,fees
-- example:
--   provider    method  currency  charges  untold  charged   fees  fee_percent
--   yandex-pay  card    RUB           520       0  1554800  43534         2.80
SELECT
    provider,
    method,
    settlement_currency AS currency,
    sumIf(lines, kind = 'charge') AS charges,
    sumIf(lines, kind = 'charge' AND fee IS NULL) AS untold,
    sumIf(settled, kind = 'charge' AND fee IS NOT NULL) AS charged,
    sum(ifNull(fee, 0)) - sumIf(settled, kind = 'fee') AS fees,
    round(100 * fees / greatest(charged, 1), 2) AS fee_percent
FROM statement_totals
WHERE business_date BETWEEN {from:Date} AND {to:Date} AND kind IN ('charge', 'refund', 'refund_undone', 'fee')
GROUP BY provider, method, currency
HAVING charged != 0 OR fees != 0
ORDER BY provider, method, currency
