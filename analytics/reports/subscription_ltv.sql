-- question: What has a subscription brought so far, by the month in which it began?
-- param from Date -365d: first day on which lives began (UTC)
-- param to Date today: last day
-- column cohort: month in which the first period of a life began; a customer who comes back begins a new life
-- column lives: from a start to an end of a subscription, or to now
-- column periods: sold in these lives
-- column net: captured less refunded
-- chart: bar x=cohort y=net_per_life
-- money: net,net_per_life
-- example:
--   cohort      currency  lives  periods      net  net_per_life
--   2026-09-01  RUB         120      321  1280790         10673
SELECT
    toStartOfMonth(begun_on) AS cohort,
    sold_in AS currency,
    count() AS lives,
    sum(sold) AS periods,
    sum(kept) AS net,
    intDiv(net, lives) AS net_per_life
FROM
(
    SELECT
        any(currency) AS sold_in,
        min(start_on) AS begun_on,
        count() AS sold,
        sum(captured - refunded) AS kept
    FROM
    (
        SELECT subscription_id, life, currency, toDate(start_at) AS start_on, paid_by AS payment_id
        FROM subscription_periods
    ) AS periods
    GLOBAL LEFT JOIN
    (
        SELECT payment_id, captured, refunded
        FROM payments
        WHERE payment_id GLOBAL IN (SELECT paid_by FROM subscription_periods)
    ) AS paid USING (payment_id)
    GROUP BY subscription_id, life
    HAVING begun_on BETWEEN {from:Date} AND {to:Date}
)
GROUP BY cohort, currency
ORDER BY cohort, currency
