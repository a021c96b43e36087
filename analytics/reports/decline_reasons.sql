-- question: Why do issuers and providers decline charges, and how much money was declined?
-- param from Date -29d: first day on which charges were opened (UTC)
-- param to Date today: last day
-- chart: bar x=reason y=declined by=provider
-- money: amount
-- example:
--   provider    currency  reason              reason_kind  declined  amount  share_percent
--   yandex-pay  RUB       insufficient_funds  issuer             14  418600          70.00
SELECT
    provider,
    currency,
    reason,
    reason_kind,
    count() AS declined,
    sum(amount) AS amount,
    round(100 * declined / sum(declined) OVER (PARTITION BY provider, currency), 2) AS share_percent
FROM operations
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND type IN ('AUTHORIZE', 'RECURRING')
    AND status = 'FAIL' AND reason_kind IN ('issuer', 'provider')
GROUP BY provider, currency, reason, reason_kind
ORDER BY provider, currency, declined DESC, reason
