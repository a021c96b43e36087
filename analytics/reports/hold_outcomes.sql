-- question: How many holds were captured whole, captured in part, released, or are still held?
-- param from Date -29d: first day on which payments were opened (UTC)
-- param to Date today: last day
-- chart: bar x=outcome y=payments
-- money: held,captured
-- example:
--   currency  outcome   payments  held   captured
--   RUB       whole           40  119600   119600
--   RUB       released         3    8970        0
SELECT
    currency,
    multiIf(
        payments.captured = authorized, 'whole',
        payments.captured > 0, 'in part',
        status = 'AUTHORIZED', 'still held',
        'released'
    ) AS outcome,
    count() AS payments,
    sum(authorized) AS held,
    sum(payments.captured) AS captured
FROM payments
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND capture_mode = 'TWO_STAGE' AND authorized > 0
GROUP BY currency, outcome
ORDER BY currency, outcome
