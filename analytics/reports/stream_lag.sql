-- question: How many milliseconds after a payment's change can its rows be queried? By the oldest change of each batch.
-- param from Date -6d: first day (UTC)
-- param to Date today: last day
-- chart: line x=hour y=p50_ms,p99_ms,max_ms
-- example:
--   hour                 batches  events  p50_ms  p99_ms  max_ms
--   2026-11-23 12:00:00      310   93000     640    1180    1320
SELECT
    toStartOfHour(newest_at) AS hour,
    count() AS batches,
    sum(stream_metrics.events) AS events,
    quantileExact(0.5)(dateDiff('millisecond', oldest_at, delivered_at)) AS p50_ms,
    quantileExact(0.99)(dateDiff('millisecond', oldest_at, delivered_at)) AS p99_ms,
    max(dateDiff('millisecond', oldest_at, delivered_at)) AS max_ms
FROM stream_metrics
WHERE toDate(newest_at) BETWEEN {from:Date} AND {to:Date}
GROUP BY hour
ORDER BY hour
