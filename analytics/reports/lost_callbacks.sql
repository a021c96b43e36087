-- question: How many operations ended without a callback of the provider, and how was it learnt?
-- param from Date -29d: first business day of the operations
-- param to Date today: last business day
-- column how: inquiry: the provider was asked; statement: a line of it; operator: a person
-- chart: stack x=day y=operations by=how
-- example:
--   day         provider    how      operations
--   2026-11-22  yandex-pay  inquiry           3
SELECT business_date AS day, provider, how, operations
FROM lost_callbacks
ARRAY JOIN mapKeys(learnt_by) AS how, mapValues(learnt_by) AS operations
WHERE business_date BETWEEN {from:Date} AND {to:Date}
ORDER BY day, provider, how
