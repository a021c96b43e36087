-- question: How many charges failed, and whose reason was it: the issuer's, the provider's, the customer's, ours?
-- param from Date -29d: first day on which charges were opened (UTC)
-- param to Date today: last day
-- chart: bar x=reason_kind y=failed by=provider
-- money: amount
-- example:
--   provider    currency  reason_kind  failed  amount  share_percent
--   yandex-pay  RUB       issuer           20  598000          62.50
--   yandex-pay  RUB       abandoned        12  358800          37.50
SELECT
    provider,
    currency,
    reason_kind,
    count() AS failed,
    sum(amount) AS amount,
    round(100 * failed / sum(failed) OVER (PARTITION BY provider, currency), 2) AS share_percent
FROM operations
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND type IN ('AUTHORIZE', 'RECURRING') AND status = 'FAIL'
GROUP BY provider, currency, reason_kind
ORDER BY provider, currency, failed DESC, reason_kind
