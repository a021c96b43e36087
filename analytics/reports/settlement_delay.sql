-- question: How many business days after our booking do charges and refunds stand in the provider's statement?
-- param from Date -29d: first business day of statements
-- param to Date today: last business day
-- column method: how the customer paid, by the provider's name of it
-- column movements: lines of operations that we have booked
-- column p50_days: half of them came at most so many business days later; negative: before we booked them
-- chart: bar x=provider y=p90_days by=method
-- example:
--   provider    method  movements  p50_days  p90_days  p99_days  max_days
--   yandex-pay  card          520         0         1         2         3
SELECT
    provider,
    method,
    sum(lines) AS movements,
    quantileExactWeighted(0.5)(assumeNotNull(delay_days), lines) AS p50_days,
    quantileExactWeighted(0.9)(assumeNotNull(delay_days), lines) AS p90_days,
    quantileExactWeighted(0.99)(assumeNotNull(delay_days), lines) AS p99_days,
    max(assumeNotNull(delay_days)) AS max_days
FROM statement_totals
WHERE business_date BETWEEN {from:Date} AND {to:Date} AND kind IN ('charge', 'refund') AND delay_days IS NOT NULL
GROUP BY provider, method
ORDER BY provider, method
