-- question: What moved the monthly run rate of subscriptions in each month?
-- param from Date -365d: a day of the first month (UTC)
-- param to Date today: last day
-- column movement: opening: at the start of the month; NEW; RETURN: in a later life; RECOVERED: paid after being on hold; HELD: put on hold; CHURN_VOLUNTARY, CHURN_INVOLUNTARY: ended while it counted; closing: at the end of the month, the sum of all above
-- column subscriptions: how many the run rate is of, or how many moved it
-- column arr: yearly run rate, exact
-- column mrr: a twelfth of arr in minor units, so divided that opening and movements add up to closing
-- chart: stack x=month y=mrr by=movement without=opening,closing
-- money: arr,mrr
-- example:
--   month       currency  movement         subscriptions     arr    mrr
--   2026-11-01  RUB       opening                    120  574560  47880
--   2026-11-01  RUB       NEW                          8   38304   3192
--   2026-11-01  RUB       CHURN_VOLUNTARY              3  -14364  -1197
--   2026-11-01  RUB       closing                    125  598500  49875
SELECT
    month,
    currency,
    movement,
    abs(heads) AS subscriptions,
    moved AS arr,
    -- What was reached is divided, and not each movement: the rounding of one is made good by the next.
    if(movement = 'closing', intDiv(arr + 6, 12), intDiv(reached + 6, 12) - intDiv(reached - arr + 6, 12)) AS mrr
FROM
(
    SELECT
        month,
        currency,
        movement,
        heads,
        moved,
        transform(
            movement,
            ['opening', 'NEW', 'RETURN', 'RECOVERED', 'HELD', 'CHURN_VOLUNTARY', 'CHURN_INVOLUNTARY', 'closing'],
            [0, 1, 2, 3, 5, 6, 7, 8],
            4
        ) AS place,
        sum(moved) OVER (PARTITION BY month, currency ORDER BY place, movement ROWS UNBOUNDED PRECEDING) AS reached
    FROM
    (
        SELECT part.1 AS month, currency, part.2 AS movement, sum(changed * part.3) AS heads, sum(change * part.3) AS moved
        FROM
        (
            SELECT
                toStartOfMonth(changed_at) AS moved_in,
                currency,
                toString(movement) AS kind,
                sum(toInt64(arr_after > 0) - toInt64(arr_before > 0)) AS changed,
                sum(arr_after - arr_before) AS change,
                arrayMap(
                    n -> addMonths(greatest(moved_in, toStartOfMonth({from:Date})), n),
                    range(toUInt32(greatest(
                        dateDiff('month', greatest(moved_in, toStartOfMonth({from:Date})), {to:Date}) + 1, 0)))
                ) AS months
            FROM subscription_changes
            WHERE toDate(changed_at) <= {to:Date} AND arr_before != arr_after
            GROUP BY moved_in, currency, kind
        )
        -- A change opens the months after its own, and closes its own and those after.
        ARRAY JOIN arrayConcat(
            arrayMap(m -> (m, 'opening', toInt64(m > moved_in)), months),
            arrayMap(m -> (m, kind, toInt64(1)), arrayFilter(m -> m = moved_in, months)),
            arrayMap(m -> (m, 'closing', toInt64(1)), months)
        ) AS part
        GROUP BY month, currency, movement
    )
)
ORDER BY month, currency, place, movement
