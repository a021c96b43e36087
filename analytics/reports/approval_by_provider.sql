-- question: Of the charges that issuers and providers decided, what share was approved?
-- param from Date -29d: first day on which charges were opened (UTC)
-- param to Date today: last day
-- chart: bar x=provider y=approval_percent
-- example:
--   provider    currency  approved  declined  undecided  approval_percent
--   yandex-pay  RUB            160        20          4             88.89
SELECT
    provider,
    currency,
    countIf(status = 'SUCCESS') AS approved,
    countIf(status = 'FAIL' AND reason_kind IN ('issuer', 'provider')) AS declined,
    countIf(status IN ('PENDING', 'UNKNOWN')) AS undecided,
    round(100 * approved / (approved + declined), 2) AS approval_percent
FROM operations
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND type IN ('AUTHORIZE', 'RECURRING')
GROUP BY provider, currency
HAVING approved + declined > 0
ORDER BY provider, currency
