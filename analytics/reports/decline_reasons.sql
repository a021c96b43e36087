-- question: Why are charges refused, and how much money was asked for in vain?
-- param from Date -29d: first day on which charges were opened (UTC)
-- param to Date today: last day
-- chart: bar x=reason y=declined by=provider
-- money: amount
-- example:
--   provider    currency  reason              declined  amount  share_percent
--   yandex-pay  RUB       insufficient_funds        14  418600          70.00
SELECT
    provider,
    currency,
    reason,
    count() AS declined,
    sum(amount) AS amount,
    round(100 * declined / sum(declined) OVER (PARTITION BY provider, currency), 2) AS share_percent
FROM operations
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND type IN ('AUTHORIZE', 'RECURRING') AND status = 'FAIL'
GROUP BY provider, currency, reason
ORDER BY provider, currency, declined DESC, reason
