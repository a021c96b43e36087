-- question: What does a subscriber bring in a month?
-- param from Date -365d: first day of payments (UTC)
-- param to Date today: last day
-- column captured: paid by subscribers in the month, refunds not deducted
-- column subscribers: ACTIVE or PAST_DUE at the end of a day, on average over the days of the month that were asked for
-- column arpu: captured by subscriber
-- chart: bar x=month y=arpu
-- money: captured,arpu
-- example:
--   month       currency  captured  subscribers   arpu
--   2026-10-01  RUB        4788000       118.55  40388
SELECT
    month,
    currency,
    sum(paid) AS captured,
    round(sum(counted) / days, 2) AS subscribers,
    intDiv(2 * captured * days + sum(counted), 2 * sum(counted)) AS arpu
FROM
(
    SELECT
        toStartOfMonth(assumeNotNull(ended_at)) AS month,
        currency,
        amount AS paid,
        toInt64(0) AS counted
    FROM renewal_attempts
    WHERE state = 'PAID' AND toDate(ended_at) BETWEEN {from:Date} AND {to:Date}
    UNION ALL
    SELECT toStartOfMonth(day) AS month, currency, toInt64(0) AS paid, sum(heads) AS counted
    FROM
    (
        SELECT
            greatest(toDate(changed_at), {from:Date}) AS moved_on,
            currency,
            sum(toInt64(status IN ('ACTIVE', 'PAST_DUE')) - toInt64(status_before IN ('ACTIVE', 'PAST_DUE'))) AS heads
        FROM subscription_changes
        WHERE toDate(changed_at) <= {to:Date} AND status != status_before
        GROUP BY moved_on, currency
    )
    ARRAY JOIN arrayMap(n -> moved_on + n, range(toUInt32(greatest(dateDiff('day', moved_on, {to:Date}) + 1, 0)))) AS day
    GROUP BY month, currency
)
GROUP BY
    month,
    currency,
    dateDiff('day', greatest(month, {from:Date}), least(toLastDayOfMonth(month), {to:Date})) + 1 AS days
HAVING sum(counted) > 0
ORDER BY month, currency
