-- question: How many milliseconds pass from opening a payment to its first final state?
-- param from Date -29d: first day on which payments were opened (UTC)
-- param to Date today: last day
-- chart: line x=day y=p50_ms,p95_ms,p99_ms
-- example:
--   day         finished  p50_ms  p95_ms  p99_ms
--   2026-11-23       180    4200   31000   61000
SELECT
    toDate(created_at) AS day,
    count() AS finished,
    quantileExact(0.5)(dateDiff('millisecond', created_at, final_at)) AS p50_ms,
    quantileExact(0.95)(dateDiff('millisecond', created_at, final_at)) AS p95_ms,
    quantileExact(0.99)(dateDiff('millisecond', created_at, final_at)) AS p99_ms
FROM payment_milestones
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND final_at IS NOT NULL
GROUP BY day
ORDER BY day
