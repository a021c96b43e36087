-- question: What is the revenue of each provider, by day?
-- param from Date -29d: first day on which payments were opened (UTC)
-- param to Date today: last day
-- chart: line x=day y=net by=provider
-- money: gross,refunds,net
-- example:
--   day         currency  provider    payments   gross  refunds     net
--   2026-11-23  RUB       yandex-pay        12  358800    29900  328900
SELECT
    toDate(created_at) AS day,
    currency,
    provider,
    countIf(captured > 0) AS payments,
    sum(captured) AS gross,
    sum(refunded) AS refunds,
    gross - refunds AS net
FROM payments
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date}
GROUP BY day, currency, provider
ORDER BY day, currency, provider
