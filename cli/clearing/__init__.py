"""``billing clearing``: days of providers, discrepancies, what is stuck, and the days of the books that are closed."""
