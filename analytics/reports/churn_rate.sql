-- question: Of the subscriptions that lived at the start of a month, how many ended in it, and why?
-- param from Date -365d: a day of the first month (UTC)
-- param to Date today: last day
-- column alive: at the start of the month: ACTIVE, PAST_DUE or ON_HOLD
-- column voluntary: ended by the customer: cancelled, or given back whole
-- column involuntary: ended for want of payment or of a payment method
-- chart: stack x=month y=voluntary_percent,involuntary_percent
-- example:
--   month       currency  alive  voluntary  involuntary  voluntary_percent  involuntary_percent
--   2026-11-01  RUB         120          4            2               3.33                 1.67
SELECT
    month,
    currency,
    count() AS alive,
    countIf(ended AND NOT involuntarily) AS voluntary,
    countIf(ended AND involuntarily) AS involuntary,
    round(100 * voluntary / alive, 2) AS voluntary_percent,
    round(100 * involuntary / alive, 2) AS involuntary_percent
FROM
(
    SELECT
        month,
        sold_in AS currency,
        ifNull(toStartOfMonth(ended_on) = month AND ended_on <= {to:Date}, false) AS ended,
        reason IN ('non_payment', 'no_method', 'chargeback') AS involuntarily
    FROM
    (
        SELECT
            any(currency) AS sold_in,
            minOrNullIf(toDate(changed_at), status = 'ACTIVE') AS begun_on,
            maxOrNullIf(toDate(changed_at), status = 'ENDED') AS ended_on,
            anyIf(end_reason, status = 'ENDED') AS reason
        FROM subscription_changes
        WHERE status IN ('ACTIVE', 'ENDED') AND status != status_before
        GROUP BY subscription_id, life
        HAVING begun_on IS NOT NULL
    )
    ARRAY JOIN arrayFilter(
        m -> assumeNotNull(begun_on) < m AND ifNull(ended_on >= m, true),
        arrayMap(
            n -> addMonths(toStartOfMonth({from:Date}), n),
            range(toUInt32(greatest(dateDiff('month', {from:Date}, {to:Date}) + 1, 0)))
        )
    ) AS month
)
GROUP BY month, currency
ORDER BY month, currency
