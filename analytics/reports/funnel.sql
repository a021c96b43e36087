-- question: How many opened payments reach each step?
-- param from Date -29d: first day on which payments were opened (UTC)
-- param to Date today: last day
-- param provider String "": one provider, empty for all
-- chart: bar x=step y=payments
-- example:
--   step           payments  percent
--   1 created           200   100.00
--   2 authorized        164    82.00
--   3 captured          160    80.00
--   4 not refunded      152    76.00
SELECT step, payments, round(100 * payments / greatest(created, 1), 2) AS percent
FROM
(
    SELECT
        count() AS created,
        countIf(authorized > 0) AS authorized_payments,
        countIf(captured > 0) AS captured_payments,
        countIf(captured > 0 AND refunded = 0) AS not_refunded
    FROM payments
    WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date} AND ({provider:String} = '' OR provider = {provider:String})
)
ARRAY JOIN
    ['1 created', '2 authorized', '3 captured', '4 not refunded'] AS step,
    [created, authorized_payments, captured_payments, not_refunded] AS payments
ORDER BY step
