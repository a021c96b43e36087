-- question: How often does a payment succeed when a customer tries again after a failure?
-- param from Date -29d: first day on which payments were opened (UTC)
-- param to Date today: last day
-- chart: bar x=try y=success_percent
-- example:
--   try  payments  paid  success_percent
--     1       180   160            88.89
--     2        14     8            57.14
--   `try` counts a customer's finished payments since the last one that was paid; 5 stands for the fifth and later.
SELECT least(number, 5) AS try, count() AS payments, sum(success) AS paid, round(100 * paid / payments, 2) AS success_percent
FROM
(
    SELECT
        arrayMap(payment -> toUInt8(payment.3), arraySort(groupArray((created_at, payment_id, captured > 0)))) AS ends,
        -- number of successes before each payment
        arrayPopBack(arrayPushFront(arrayCumSum(ends), 0)) AS run
    FROM payments
    WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND status NOT IN ('PENDING', 'AUTHORIZED')
    GROUP BY customer_id
)
ARRAY JOIN ends AS success, arrayEnumerateUniq(run) AS number
GROUP BY try
ORDER BY try
