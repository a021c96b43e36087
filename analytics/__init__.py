"""Analytics in ClickHouse: schema and migrations, the rows of a payment's change, and the named reports.

Not here: the sink that inserts the rows (``sinks``), the pages that show the reports (``admin``), and the comparison of
the rows with Postgres (``backoffice.parity``).
"""
