-- question: What differed between statements and our books, and how much of it is settled?
-- param from Date -29d: first business day on which it was found
-- param to Date today: last business day
-- column waiting: the payment asks, or the next statement decides
-- column person: a person has to decide
-- column resolved: decided; a statement has to confirm it
-- column difference: of what is not closed, whichever side has more
-- chart: stack x=kind y=waiting,person,resolved,closed
-- money: difference
-- example:
--   kind             severity  currency  found  waiting  person  resolved  closed  difference
--   unknown_payment  critical  RUB           3        0       1         0       2       29900
SELECT
    kind,
    severity,
    currency,
    count() AS found,
    countIf(state IN ('EXPECTED', 'OPEN')) AS waiting,
    countIf(state = 'PERSON') AS person,
    countIf(state = 'RESOLVED') AS resolved,
    countIf(state = 'CLOSED') AS closed,
    sumIf(abs(discrepancies.difference), state != 'CLOSED') AS difference
FROM discrepancies
WHERE business_date BETWEEN {from:Date} AND {to:Date}
GROUP BY kind, severity, currency
ORDER BY kind, severity, currency
