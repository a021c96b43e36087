-- question: Of the renewals that were declined at first, how many were paid after all, by the reason of the first decline?
-- param from Date -89d: first day of first declines (UTC)
-- param to Date today: last day
-- column decline: SOFT: money or a bank that was missing that day; WEAK: no reason given; CUSTOMER: only the customer can help; DEAD: the method will never work again
-- column declined: renewals; a fault of ours or of a provider is no decline
-- column open: not paid yet, and still tried
-- column lost: not paid before the subscription ended
-- column amount: that was declined
-- column recovered_amount: of it, what was paid after all
-- chart: bar x=reason y=recovered_percent
-- money: amount,recovered_amount
-- example:
--   currency  decline  reason              declined  recovered  open  lost  recovered_percent   amount  recovered_amount
--   RUB       SOFT     insufficient_funds        40         28     4     8              70.00  1596000           1117200
SELECT
    currency,
    decline,
    reason,
    count() AS declined,
    countIf(paid) AS recovered,
    countIf(NOT paid AND due_now) AS open,
    countIf(NOT paid AND NOT due_now) AS lost,
    round(100 * recovered / declined, 2) AS recovered_percent,
    sum(price) AS amount,
    sumIf(price, paid) AS recovered_amount
FROM
(
    SELECT
        sold_in AS currency,
        first.2 AS decline,
        first.3 AS reason,
        price,
        paid,
        status IN ('ACTIVE', 'PAST_DUE', 'ON_HOLD') AND due_period = period AS due_now
    FROM
    (
        SELECT
            subscription_id,
            period,
            any(currency) AS sold_in,
            any(amount) AS price,
            argMin((state, decline, reason, toDate(ended_at)), number) AS first,
            countIf(state = 'PAID') > 0 AS paid
        FROM renewal_attempts
        WHERE purpose != 'FIRST' AND state NOT IN ('WITHDRAWN', 'STRAY') AND decline != 'OURS'
            -- Grouping all attempts of all times takes twice as long.
            AND (subscription_id, period) GLOBAL IN
            (
                SELECT subscription_id, period
                FROM renewal_attempts
                WHERE state = 'FAILED' AND toDate(ended_at) BETWEEN {from:Date} AND {to:Date}
            )
        GROUP BY subscription_id, period
        HAVING first.1 = 'FAILED' AND first.4 BETWEEN {from:Date} AND {to:Date}
    ) AS declined
    GLOBAL INNER JOIN
    (
        SELECT subscription_id, status, due_period
        FROM subscriptions
    ) AS now USING (subscription_id)
)
GROUP BY currency, decline, reason
ORDER BY currency, declined DESC, decline, reason
