-- question: What became of the renewals that were due on each day?
-- param from Date -29d: first day on which paid periods ended (UTC)
-- param to Date today: last day
-- column due: periods that ended that day and were to be renewed
-- column first_try: paid by the first attempt
-- column recovered: paid by a later one, or by the customer
-- column open: not paid yet, and still tried
-- column failed: not paid before the subscription ended
-- chart: stack x=day y=first_try,recovered,open,failed
-- example:
--   day         currency  due  first_try  recovered  open  failed  first_try_percent
--   2026-11-22  RUB        40         36          1     3       0              90.00
SELECT
    day,
    currency,
    count() AS due,
    countIf(paid AND at_first = 'PAID') AS first_try,
    countIf(paid AND at_first != 'PAID') AS recovered,
    countIf(NOT paid AND due_now) AS open,
    countIf(NOT paid AND NOT due_now) AS failed,
    round(100 * first_try / due, 2) AS first_try_percent
FROM
(
    SELECT
        day,
        currency,
        paid,
        at_first,
        status IN ('ACTIVE', 'PAST_DUE', 'ON_HOLD') AND due_period = period AS due_now
    FROM
    (
        SELECT subscription_id, number + 1 AS period, currency, toDate(end_at) AS day
        FROM subscription_periods
        WHERE toDate(end_at) BETWEEN {from:Date} AND {to:Date}
    ) AS ended
    GLOBAL LEFT JOIN
    (
        SELECT
            subscription_id,
            period,
            count() AS tries,
            toString(argMin(state, number)) AS at_first,
            countIf(state = 'PAID') > 0 AS paid
        FROM renewal_attempts
        WHERE purpose != 'FIRST' AND state NOT IN ('WITHDRAWN', 'STRAY')
        GROUP BY subscription_id, period
    ) AS tried USING (subscription_id, period)
    GLOBAL INNER JOIN
    (
        SELECT subscription_id, status, due_period, cancel_at IS NULL AS renews
        FROM subscriptions
    ) AS now USING (subscription_id)
    WHERE tries > 0 OR (status = 'ACTIVE' AND due_period = period AND renews)
)
GROUP BY day, currency
ORDER BY day, currency
