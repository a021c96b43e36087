-- question: Of the subscriptions that began in a month, how many were paid for a second, third and later period?
-- param from Date -365d: first day on which lives began (UTC)
-- param to Date today: last day
-- column cohort: month in which the first paid period of a life began; a customer who comes back begins a new life
-- column periods: how often it was paid at least; whole refunds do not count, nor periods that are still to come
-- column lives: from a start to an end of a subscription, or to now
-- chart: heat x=periods y=percent by=cohort size=lives
-- example:
--   cohort      currency  periods  lives  percent
--   2026-09-01  RUB             1    120   100.00
--   2026-09-01  RUB             2    104    86.67
--   2026-09-01  RUB             3     97    80.83
SELECT
    cohort,
    currency,
    periods,
    lives,
    round(100 * lives / max(lives) OVER (PARTITION BY cohort, currency), 2) AS percent
FROM
(
    SELECT toStartOfMonth(begun_on) AS cohort, sold_in AS currency, periods, count() AS lives
    FROM
    (
        SELECT any(currency) AS sold_in, min(toDate(start_at)) AS begun_on, count() AS paid
        FROM subscription_periods
        WHERE status IN ('PAID', 'CUT')
        GROUP BY subscription_id, life
        HAVING begun_on BETWEEN {from:Date} AND {to:Date}
    )
    ARRAY JOIN range(1, toUInt32(paid + 1)) AS periods
    GROUP BY cohort, currency, periods
)
ORDER BY cohort, currency, periods
