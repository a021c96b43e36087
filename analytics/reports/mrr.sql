-- question: What is the monthly run rate of subscriptions at the end of each day?
-- param from Date -29d: first day (UTC)
-- param to Date today: last day
-- column subscriptions: those that count: ACTIVE or PAST_DUE
-- column arr: yearly run rate, exact
-- column mrr: a twelfth of arr, to the nearest minor unit
-- chart: line x=day y=mrr
-- money: arr,mrr
-- example:
--   day         plan    currency  subscriptions     arr    mrr
--   2026-11-22  cinema  RUB                 120  574560  47880
--   2026-11-23  cinema  RUB                 121  579348  48279
SELECT
    day,
    plan,
    currency,
    sum(heads) AS subscriptions,
    sum(moved) AS arr,
    intDiv(arr + 6, 12) AS mrr
FROM
(
    SELECT
        greatest(toDate(changed_at), {from:Date}) AS moved_on,
        plan,
        currency,
        sum(toInt64(arr_after > 0) - toInt64(arr_before > 0)) AS heads,
        sum(arr_after - arr_before) AS moved
    FROM subscription_changes
    WHERE toDate(changed_at) <= {to:Date} AND arr_before != arr_after
    GROUP BY moved_on, plan, currency
)
ARRAY JOIN arrayMap(n -> moved_on + n, range(toUInt32(greatest(dateDiff('day', moved_on, {to:Date}) + 1, 0)))) AS day
GROUP BY day, plan, currency
HAVING arr > 0
ORDER BY day, currency, plan
