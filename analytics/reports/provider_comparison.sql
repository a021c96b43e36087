-- question: How do the providers compare: how often do they answer, how fast, and how often do they or issuers decline?
-- param from Date -29d: first day on which calls ended (UTC)
-- param to Date today: last day
-- chart: bar x=provider y=p95_ms
-- example:
--   provider    calls  declined  unknown  unknown_percent  p50_ms  p95_ms
--   yandex-pay    520        20        2             0.38      95     240
SELECT
    provider,
    count() AS calls,
    countIf(outcome = 'DECLINED' AND reason_kind IN ('issuer', 'provider')) AS declined,
    countIf(outcome = 'UNKNOWN') AS unknown,
    round(100 * unknown / calls, 2) AS unknown_percent,
    intDiv(quantileExact(0.5)(duration_us), 1000) AS p50_ms,
    intDiv(quantileExact(0.95)(duration_us), 1000) AS p95_ms
FROM provider_calls
WHERE toDate(ended_at) BETWEEN {from:Date} AND {to:Date} AND outcome != 'NOT_SENT'
GROUP BY provider
ORDER BY provider
