-- question: Which products bring the most revenue?
-- param from Date -29d: first day on which payments were opened (UTC)
-- param to Date today: last day
-- param limit UInt32 50: products per currency
-- chart: bar x=product_id y=net
-- money: gross,refunds,net
-- example:
--   currency  product_id    sales   gross  refunds     net
--   RUB       film-stalker     12  358800    29900  328900
SELECT currency, product_id, countIf(captured > 0) AS sales, sum(captured) AS gross, sum(refunded) AS refunds, gross - refunds AS net
FROM payment_items
WHERE toDate(created_at) BETWEEN {from:Date} AND {to:Date}
GROUP BY currency, product_id
HAVING gross > 0
ORDER BY currency, net DESC, product_id
LIMIT {limit:UInt32} BY currency
