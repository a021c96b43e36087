-- question: Of the customers who first paid in a month, how many pay again in later months?
-- param from Date -365d: first day of first purchases (UTC)
-- param to Date today: last day
-- chart: heat x=months_after y=customers by=cohort
-- money: net
-- example:
--   cohort      months_after  currency  customers     net
--   2026-10-01             0  RUB             120  358800
--   2026-10-01             1  RUB              84  251160
-- A customer goes by a 64-bit hash here: texts as keys of so many groups take twice the time, and that two of ten
-- million customers share one has a chance of 1 in 400,000.
SELECT
    toStartOfMonth(first_paid_on) AS cohort,
    dateDiff('month', cohort, month) AS months_after,
    currency,
    count() AS customers,
    sum(paid) AS net
FROM
(
    SELECT
        any(paid_in) AS currency,
        min(first_paid_on) AS first_paid_on,
        groupArray(month) AS months,
        groupArray(paid) AS paids
    FROM
    (
        SELECT
            cityHash64(customer_id, currency) AS customer,
            any(currency) AS paid_in,
            toStartOfMonth(created_at) AS month,
            min(toDate(created_at)) AS first_paid_on,
            sum(captured - refunded) AS paid
        FROM payments
        WHERE captured > 0
        GROUP BY customer, month
    )
    GROUP BY customer
    HAVING first_paid_on BETWEEN {from:Date} AND {to:Date}
)
ARRAY JOIN months AS month, paids AS paid
GROUP BY cohort, months_after, currency
ORDER BY cohort, months_after, currency
