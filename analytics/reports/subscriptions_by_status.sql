-- question: How many subscriptions are in each status at the end of each day?
-- param from Date -29d: first day (UTC)
-- param to Date today: last day
-- column status: INCOMPLETE: the first payment is under way; ACTIVE; PAST_DUE: declined, with access; ON_HOLD: declined, without; ENDED, which is in the table only
-- chart: stack x=day y=subscriptions by=status without=ENDED
-- example:
--   day         status    subscriptions
--   2026-11-23  ACTIVE              120
--   2026-11-23  PAST_DUE              6
--   2026-11-23  ENDED                31
SELECT day, state AS status, sum(heads) AS subscriptions
FROM
(
    SELECT greatest(toDate(changed_at), {from:Date}) AS moved_on, state, sum(one) AS heads
    FROM subscription_changes
    ARRAY JOIN [toString(status), toString(status_before)] AS state, [toInt64(1), toInt64(-1)] AS one
    WHERE toDate(changed_at) <= {to:Date} AND status != status_before AND state != ''
    GROUP BY moved_on, state
)
ARRAY JOIN arrayMap(n -> moved_on + n, range(toUInt32(greatest(dateDiff('day', moved_on, {to:Date}) + 1, 0)))) AS day
GROUP BY day, state
HAVING subscriptions > 0
ORDER BY day, indexOf(['INCOMPLETE', 'ACTIVE', 'PAST_DUE', 'ON_HOLD', 'ENDED'], state)
