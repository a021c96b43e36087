-- question: How long have discrepancies been open?
-- param as_of Date today: day from which age is counted (UTC)
-- param from Date -365d: oldest day of opening (UTC)
-- column overdue: past the time by which somebody has to act
-- column difference: whichever side has more
-- chart: bar x=age_days y=open by=severity
-- money: difference
-- example:
--   age_days  severity  currency  open  overdue  difference
--   0         critical  RUB          1        1       29900
--   1-3       high      RUB          2        0        4990
SELECT
    multiIf(days = 0, '0', days <= 3, '1-3', days <= 10, '4-10', days <= 30, '11-30', '31+') AS age_days,
    severity,
    currency,
    count() AS open,
    countIf(due_at < toDateTime64({as_of:Date} + 1, 6, 'UTC')) AS overdue,
    sum(apart) AS difference
FROM
(
    SELECT severity, currency, due_at, abs(difference) AS apart, dateDiff('day', toDate(opened_at), {as_of:Date}) AS days
    FROM discrepancies
    WHERE toDate(opened_at) BETWEEN {from:Date} AND {as_of:Date} AND state != 'CLOSED'
)
GROUP BY age_days, severity, currency
ORDER BY indexOf(['0', '1-3', '4-10', '11-30', '31+'], age_days), severity, currency
