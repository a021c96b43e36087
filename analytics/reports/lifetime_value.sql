-- question: What is the net revenue per customer, by month of the first purchase?
-- param from Date -365d: first day of first purchases (UTC)
-- param to Date today: last day
-- chart: bar x=cohort y=net_per_customer
-- money: net,net_per_customer
-- example:
--   cohort      currency  customers  purchases     net  net_per_customer
--   2026-10-01  RUB             120        260  777400              6478
SELECT
    toStartOfMonth(first_paid_on) AS cohort,
    currency,
    count() AS customers,
    sum(bought) AS purchases,
    sum(kept) AS net,
    intDiv(net, customers) AS net_per_customer
FROM
(
    SELECT currency, min(toDate(created_at)) AS first_paid_on, count() AS bought, sum(captured - refunded) AS kept
    FROM payments
    WHERE captured > 0
    GROUP BY customer_id, currency
    HAVING first_paid_on BETWEEN {from:Date} AND {to:Date}
)
GROUP BY cohort, currency
ORDER BY cohort, currency
