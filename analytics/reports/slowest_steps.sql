-- question: Which provider calls are slowest?
-- param from Date -29d: first day on which calls ended (UTC)
-- param to Date today: last day
-- chart: bar x=action y=p95_us by=provider
-- example:
--   provider    action   calls  p50_us  p95_us  p99_us   max_us
--   yandex-pay  CAPTURE    160   95210  240100  410300  1201000
SELECT
    provider,
    action,
    count() AS calls,
    quantileExact(0.5)(duration_us) AS p50_us,
    quantileExact(0.95)(duration_us) AS p95_us,
    quantileExact(0.99)(duration_us) AS p99_us,
    max(duration_us) AS max_us
FROM provider_calls
WHERE toDate(ended_at) BETWEEN {from:Date} AND {to:Date} AND outcome != 'NOT_SENT'
GROUP BY provider, action
ORDER BY p95_us DESC, provider, action
