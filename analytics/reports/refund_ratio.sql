-- question: What share of sales is refunded, by provider?
-- param from Date -29d: first day on which payments were opened (UTC)
-- param to Date today: last day
-- column captured: number of payments with money taken
-- column refunded: number of those with money given back, in part at least
-- column payments_percent: refunded payments of captured payments
-- column refunds_percent: refunded amount of captured amount
-- chart: bar x=provider y=refunds_percent,payments_percent
-- money: gross,refunds
-- example:
--   provider    currency  captured  refunded   gross  refunds  payments_percent  refunds_percent
--   yandex-pay  RUB            160         8  478400    15000              5.00             3.14
SELECT
    provider,
    currency,
    count() AS captured,
    countIf(payments.refunded > 0) AS refunded,
    sum(payments.captured) AS gross,
    sum(payments.refunded) AS refunds,
    round(100 * refunded / captured, 2) AS payments_percent,
    round(100 * refunds / gross, 2) AS refunds_percent
FROM payments
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND payments.captured > 0
GROUP BY provider, currency
ORDER BY provider, currency
