-- question: Are customers who pay themselves approved more often than saved methods charged in their absence?
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
    countIf(status = 'FAIL') AS declined,
    round(100 * approved / greatest(approved + declined, 1), 2) AS approval_percent
FROM operations
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND type IN ('AUTHORIZE', 'RECURRING')
GROUP BY method, capture_mode
ORDER BY method, capture_mode
