-- question: How many payments are not final, for what amount, and how old is the oldest?
-- param as_of Date today: last day on which payments were opened (UTC)
-- param from Date -365d: first day
-- chart: bar x=status y=payments by=provider
-- money: amount
-- example:
--   provider    status      currency  payments  amount  oldest
--   yandex-pay  AUTHORIZED  RUB              4  119600  2026-11-20 10:00:00.000000
SELECT provider, status, currency, count() AS payments, sum(payments.amount) AS amount, min(created_at) AS oldest
FROM payments
WHERE toDate(created_at) BETWEEN {from:Date} AND {as_of:Date} AND status IN ('PENDING', 'AUTHORIZED')
GROUP BY provider, status, currency
ORDER BY oldest, provider, status, currency
