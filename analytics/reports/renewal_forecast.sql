-- question: What will the renewals of the next 30 days bring?
-- param as_of Date today: first of the 30 days (UTC)
-- column due: charges: the next one of each subscription; of intervals in days and weeks also those after it
-- column first_try_percent: of the renewals of the 90 days before, the share that was paid at the first attempt; without any, 100
-- column expected: that share of amount
-- chart: bar x=day y=expected
-- money: amount,expected
-- example:
--   day         currency  due   amount  first_try_percent  expected
--   2026-11-24  RUB        40  1596000              90.00   1436400
SELECT
    day,
    currency,
    count() AS due,
    sum(price) AS amount,
    if(any(finished) = 0, 100, round(100 * any(paid) / any(finished), 2)) AS first_try_percent,
    if(any(finished) = 0, amount, intDiv(2 * amount * any(paid) + any(finished), 2 * any(finished))) AS expected
FROM
(
    SELECT day, currency, price, paid, finished
    FROM
    (
        SELECT
            currency,
            amount AS price,
            toDate(assumeNotNull(period_end_at)) AS first_due,
            multiIf(interval_unit = 'DAY', interval_count, interval_unit = 'WEEK', 7 * interval_count, 30) AS step,
            arrayJoin(arrayFilter(
                d -> d BETWEEN {as_of:Date} AND {as_of:Date} + 29,
                arrayMap(n -> first_due + n * step, range(if(interval_unit IN ('DAY', 'WEEK'), toUInt32(
                    greatest(dateDiff('day', first_due, {as_of:Date} + 29), 0) + 1), 1)))
            )) AS day
        FROM subscriptions
        WHERE status = 'ACTIVE' AND cancel_at IS NULL AND period_end_at IS NOT NULL
    ) AS charges
    GLOBAL LEFT JOIN
    (
        SELECT currency, countIf(first.1 = 'PAID') AS paid, count() AS finished
        FROM
        (
            SELECT any(currency) AS currency, argMin((state, toDate(ended_at)), number) AS first
            FROM renewal_attempts
            WHERE purpose = 'RENEWAL' AND state NOT IN ('WITHDRAWN', 'STRAY')
            GROUP BY subscription_id, period
            HAVING first.1 IN ('PAID', 'FAILED') AND first.2 BETWEEN {as_of:Date} - 90 AND {as_of:Date} - 1
        )
        GROUP BY currency
    ) AS history USING (currency)
)
GROUP BY day, currency
ORDER BY day, currency
