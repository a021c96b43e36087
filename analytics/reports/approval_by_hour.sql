-- question: At which hours of the day (UTC) do issuers and providers decline charges?
-- param from Date -29d: first day on which charges were opened (UTC)
-- param to Date today: last day
-- chart: line x=hour y=approval_percent by=provider
-- example:
--   hour  provider    approved  declined  approval_percent
--      9  yandex-pay        16         2             88.89
SELECT
    toHour(created_at) AS hour,
    provider,
    countIf(status = 'SUCCESS') AS approved,
    countIf(status = 'FAIL' AND reason_kind IN ('issuer', 'provider')) AS declined,
    round(100 * approved / (approved + declined), 2) AS approval_percent
FROM operations
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND type IN ('AUTHORIZE', 'RECURRING')
GROUP BY hour, provider
HAVING approved + declined > 0
ORDER BY hour, provider
