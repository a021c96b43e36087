-- question: How does each business day of each provider stand, and what do both sides say?
-- param from Date -29d: first business day
-- param to Date today: last business day
-- column state: done, open: tried again, suspect: waits for a person
-- column booked: what our books moved; positive: the provider owes us more
-- column stated: what the statement's lines of payments add up to
-- column difference: also of movements that are only late
-- column discrepancies: found on that day and not closed, of all currencies
-- chart: bar x=day y=difference by=provider
-- money: booked,stated,difference
-- example:
--   day         provider    state  currency  movements  booked  lines  stated  difference  discrepancies
--   2026-11-22  yandex-pay  done   RUB             120  358800    119  355810       -2990              1
SELECT
    business_date AS day,
    provider,
    state,
    currency,
    movements,
    booked,
    lines,
    stated,
    stated - booked AS difference,
    not_closed AS discrepancies
FROM
(
    SELECT business_date, provider, toString(clearing_days.state) AS state
    FROM clearing_days
    WHERE business_date BETWEEN {from:Date} AND {to:Date}
) AS cleared
GLOBAL LEFT JOIN
(
    SELECT
        business_date,
        provider,
        currency,
        sum(side.movements) AS movements,
        sum(side.booked) AS booked,
        sum(side.lines) AS lines,
        sum(side.stated) AS stated
    FROM
    (
        SELECT business_date, provider, currency, movements, amount AS booked, 0 AS lines, 0 AS stated
        FROM booked_totals
        UNION ALL
        SELECT business_date, provider, currency, 0 AS movements, 0 AS booked, lines, amount AS stated
        FROM statement_totals
        WHERE kind IN ('charge', 'refund', 'refund_undone', 'chargeback', 'chargeback_undone')
    ) AS side
    WHERE business_date BETWEEN {from:Date} AND {to:Date}
    GROUP BY business_date, provider, currency
) AS totals USING (business_date, provider)
GLOBAL LEFT JOIN
(
    SELECT business_date, provider, count() AS not_closed
    FROM discrepancies
    WHERE business_date BETWEEN {from:Date} AND {to:Date} AND state != 'CLOSED'
    GROUP BY business_date, provider
) AS found USING (business_date, provider)
ORDER BY day, provider, currency
