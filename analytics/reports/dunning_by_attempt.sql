-- question: Which attempt after a declined renewal brings the money?
-- param from Date -89d: first day of first declines (UTC)
-- param to Date today: last day
-- column decline: of the first attempt. SOFT: money or a bank that was missing that day; WEAK: no reason given; CUSTOMER: only the customer can help; DEAD: the method will never work again
-- column attempt: counted from the first, which was declined; faults of ours and of providers do not count
-- column days: from the first decline, on average
-- column amount: what was paid
-- chart: bar x=attempt y=paid_percent by=decline
-- money: amount
-- example:
--   currency  decline  attempt  made  paid  paid_percent   days  amount
--   RUB       SOFT           2    40    16         40.00   1.02  638400
--   RUB       SOFT           3    24     8         33.33   3.04  319200
SELECT
    sold_in AS currency,
    tries[1].5 AS decline,
    later + 1 AS attempt,
    count() AS made,
    countIf(try.2 = 'PAID') AS paid,
    round(100 * paid / made, 2) AS paid_percent,
    round(avg(dateDiff('second', declined_at, try.3)) / 86400, 2) AS days,
    sumIf(try.4, try.2 = 'PAID') AS amount
FROM
(
    SELECT
        any(currency) AS sold_in,
        arraySort(groupArray((number, toString(state), requested_at, amount, decline, ended_at))) AS tries,
        assumeNotNull(tries[1].6) AS declined_at
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
    HAVING tries[1].2 = 'FAILED' AND toDate(declined_at) BETWEEN {from:Date} AND {to:Date}
)
ARRAY JOIN arrayPopFront(tries) AS try, arrayEnumerate(arrayPopFront(tries)) AS later
GROUP BY currency, decline, attempt
ORDER BY currency, decline, attempt
