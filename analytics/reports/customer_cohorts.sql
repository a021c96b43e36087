-- question: Of the customers who first paid in a month, how many pay again in the months after?
-- param from Date -365d: first purchases from this day on (UTC)
-- param to Date today: to this day
-- chart: line x=months_after y=customers by=cohort
-- money: net
-- example:
--   cohort      months_after  currency  customers     net
--   2026-10-01             0  RUB             120  358800
--   2026-10-01             1  RUB              84  251160
SELECT
    toStartOfMonth(first_paid_on) AS cohort,
    dateDiff('month', cohort, month) AS months_after,
    currency,
    countIf(nth = 1) AS customers,
    sum(paid) AS net
FROM
(
    SELECT
        currency,
        min(toDate(created_at)) AS first_paid_on,
        groupArray(toStartOfMonth(created_at)) AS months,
        groupArray(captured - refunded) AS nets
    FROM payments
    WHERE captured > 0
    GROUP BY customer_id, currency
    HAVING first_paid_on BETWEEN {from:Date} AND {to:Date}
)
ARRAY JOIN months AS month, nets AS paid, arrayEnumerateUniq(months) AS nth
GROUP BY cohort, months_after, currency
ORDER BY cohort, months_after, currency
