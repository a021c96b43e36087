-- question: Are charges approved more often when the customer is present than when a saved method is charged?
-- param from Date -29d: first day on which charges were opened (UTC)
-- param to Date today: last day
-- chart: bar x=method y=approval_percent by=capture_mode
-- example:
--   method            capture_mode  approved  declined  approval_percent
--   customer present  ONE_STAGE          160        20             88.89
--   saved method      ONE_STAGE           40        12             76.92
SELECT
    if(type = 'RECURRING', 'saved method', 'customer present') AS method,
    capture_mode,
    countIf(status = 'SUCCESS') AS approved,
    countIf(status = 'FAIL' AND reason_kind IN ('issuer', 'provider')) AS declined,
    round(100 * approved / (approved + declined), 2) AS approval_percent
FROM operations
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND type IN ('AUTHORIZE', 'RECURRING')
GROUP BY method, capture_mode
HAVING approved + declined > 0
ORDER BY method, capture_mode
